// A shop's use of the official JavaScript client, through the guarded virtual host.
//
// Run by scripts/e2e.sh, which provides the client of the back end's major version and sets ESAUTH_URL, ESAUTH_CA (empty
// without TLS), ESAUTH_USER and ESAUTH_REFUSED, which are written "user:password".

const assert = require('node:assert/strict');
const crypto = require('node:crypto');

const { library, connect, answer, run } = require('./javascript.js');

// Names of this run's own: the back end may be the user's.
const alias = `js-e2e-${crypto.randomUUID()}`;
const index = `${alias}-1`;
const next = `${alias}-2`;

const tests = {
  async index(client) {
    const made = answer(await client.index({ index, id: '1', body: { name: 'red shirt', price: 10 }, refresh: true }));
    assert.equal(made.result, 'created');
  },
  async bulk(client) {
    const body = [];
    for (let n = 2; n < 302; n++) {
      body.push({ index: { _index: index, _id: String(n) } }, { name: `blue hat ${n}`, price: n });
    }
    const made = answer(await client.bulk({ refresh: true, body }));
    assert.equal(made.errors, false);
    assert.equal(made.items.length, 300);
  },
  async search(client) {
    const found = answer(await client.search({ index, body: { query: { match: { name: 'shirt' } } } }));
    assert.deepEqual(found.hits.hits.map((hit) => hit._id), ['1']);
  },
  async scroll(client) {
    const seen = new Set();
    const query = { match: { name: 'hat' } };
    let page = answer(await client.search({ index, scroll: '1m', size: 50, body: { query } }));
    while (page.hits.hits.length > 0) {
      page.hits.hits.forEach((hit) => seen.add(hit._id));
      page = answer(await client.scroll({ body: { scroll_id: page._scroll_id, scroll: '1m' } }));
    }
    assert.equal(seen.size, 300);
  },
  async count(client) {
    assert.equal(answer(await client.count({ index })).count, 301);
  },
  async aliasSwitch(client) {
    await client.indices.create({ index: next });
    await client.indices.putAlias({ index, name: alias });
    const actions = [{ remove: { index, alias } }, { add: { index: next, alias } }];
    await client.indices.updateAliases({ body: { actions } });
    assert.deepEqual(Object.keys(answer(await client.indices.getAlias({ name: alias }))), [next]);
  },
  async delete(client) {
    assert.equal(answer(await client.delete({ index, id: '1', refresh: true })).result, 'deleted');
    assert.equal(answer(await client.count({ index })).count, 300);
    await client.indices.delete({ index: [index, next] });
    assert.equal(answer(await client.indices.exists({ index })), false);
  },
  async wrongPasswordRaisesTheAuthenticationError() {
    for (const user of process.env.ESAUTH_REFUSED.split(' ')) {
      await assert.rejects(
        connect(user).count({ index }),
        (error) => error instanceof library.errors.ResponseError && error.statusCode === 401,
        `${user} was admitted`,
      );
    }
  },
};

async function main() {
  const client = connect(process.env.ESAUTH_USER);
  await run(tests, client);
  await client.indices.delete({ index: [index, next], ignore_unavailable: true });
}

main();
