// The official JavaScript client of a user who may only read, and of one who may only do everything with its own indices.
//
// Run by scripts/e2e.sh, which sets what client.js needs, and ESAUTH_READER and ESAUTH_EDITOR, both "user:password".

const assert = require('node:assert/strict');

const { library, connect, answer, run } = require('./javascript.js');

const [index, alias, foreign] = ['products-e2e-js-1', 'products-e2e-js', 'foreign-e2e-js'];

const tests = {
  async anEditorDoesEverythingWithItsOwnIndices(editor) {
    await editor.indices.create({ index, body: { settings: { number_of_replicas: 0 } } });
    assert.equal(answer(await editor.indices.exists({ index })), true);
    await editor.index({ index, id: '1', body: { name: 'red shirt' }, refresh: true });
    const body = [];
    for (let n = 2; n < 302; n++) body.push({ index: { _index: index, _id: String(n) } }, { name: `blue hat ${n}` });
    assert.equal(answer(await editor.bulk({ refresh: true, body })).errors, false);
    await editor.indices.putMapping({ index, body: { properties: { price: { type: 'float' } } } });
    await editor.indices.updateAliases({ body: { actions: [{ add: { index, alias } }] } });
    assert.deepEqual(Object.keys(answer(await editor.indices.getAlias({ name: alias }))), [index]);
    await editor.update({ index, id: '1', body: { doc: { price: 1 } } });
    await editor.delete({ index, id: '301', refresh: true });
  },
  async aReaderReads(_editor, reader) {
    const found = answer(await reader.search({ index, body: { query: { match: { name: 'shirt' } } } }));
    assert.deepEqual(found.hits.hits.map((hit) => hit._id), ['1']);
    const everywhere = answer(await reader.search({ body: { query: { match_all: {} }, size: 1000 } }));
    assert.deepEqual([...new Set(everywhere.hits.hits.map((hit) => hit._index))], [index]);
    assert.equal(answer(await reader.count({ index: alias })).count, 300);
    assert.equal(answer(await reader.get({ index, id: '1' })).found, true);
    assert.equal(answer(await reader.mget({ index, body: { ids: ['1', '2'] } })).docs.length, 2);
    const searches = [{ index }, { query: { match_all: {} } }];
    assert.equal(answer(await reader.msearch({ body: searches })).responses.length, 1);
    assert.ok(answer(await reader.fieldCaps({ index, fields: '*' })).fields.name);
  },
  async aRefusedActRaisesTheAuthorizationError(editor, reader) {
    const refused = [
      () => reader.index({ index, body: { a: 1 } }),
      () => reader.delete({ index, id: '1' }),
      () => reader.bulk({ body: [{ delete: { _index: index, _id: '1' } }] }),
      () => reader.indices.delete({ index }),
      () => reader.search({ index: foreign }),
      () => reader.msearch({ body: [{ index: foreign }, {}] }),
      () => reader.cluster.health(),
      () => editor.indices.delete({ index: '*' }),
      () => editor.index({ index: foreign, body: { a: 1 } }),
      () => editor.reindex({ body: { source: { index: foreign }, dest: { index } } }),
    ];
    for (const act of refused) {
      await assert.rejects(
        act,
        (error) => error instanceof library.errors.ResponseError && error.statusCode === 403
          && error.meta.body.error.type === 'security_exception',
        `${act} was allowed`,
      );
    }
    assert.equal(answer(await editor.count({ index })).count, 300);
  },
};

async function main() {
  const [owner, editor, reader] = ['ESAUTH_USER', 'ESAUTH_EDITOR', 'ESAUTH_READER']
    .map((variable) => connect(process.env[variable], { requestTimeout: 120000 }));
  await owner.indices.delete({ index, ignore_unavailable: true });
  await owner.index({ index: foreign, id: '1', body: { name: 'shirt' }, refresh: true });
  await run(tests, editor, reader);
  await owner.indices.delete({ index: [index, foreign], ignore_unavailable: true });
}

main();
