// A shop's use of the official JavaScript client, through the guarded virtual host.
//
// Run by scripts/e2e.sh, which sets ESAUTH_URL and ESAUTH_CA and provides the client of the back end's major version.

const assert = require('node:assert/strict');
const fs = require('node:fs');

function load() {
  try {
    return require('@elastic/elasticsearch');
  } catch {
    return require('@opensearch-project/opensearch');
  }
}

const library = load();
const index = 'js-products-1';
const next = 'js-products-2';
const alias = 'js-products';

function connect(username, password) {
  const ca = fs.readFileSync(process.env.ESAUTH_CA);
  // The older clients call the option `ssl`, the newer one `tls`.
  return new library.Client({ node: process.env.ESAUTH_URL, auth: { username, password }, ssl: { ca }, tls: { ca } });
}

// The older clients wrap the answer with its status and headers.
const answer = (response) => response.body ?? response;

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
    for (const [user, password] of [['alice', 'wrong'], ['mallory', 'secret'], ['bob', 'geheim']]) {
      await assert.rejects(
        connect(user, password).count({ index }),
        (error) => error instanceof library.errors.ResponseError && error.statusCode === 401,
        `${user} was let in`,
      );
    }
  },
};

async function main() {
  const client = connect('alice', 'secret');
  await client.indices.delete({ index: [index, next], ignore_unavailable: true });
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test(client);
      console.log(`ok ${name}`);
    } catch (error) {
      process.exitCode = 1;
      console.log(`not ok ${name}: ${error}`);
    }
  }
}

process.removeAllListeners('warning');
main();
