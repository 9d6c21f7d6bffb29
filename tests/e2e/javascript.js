// What the tests of the official JavaScript clients share: the client, and running tests that are reported one a line.

const fs = require('node:fs');

function load() {
  try {
    return require('@elastic/elasticsearch');
  } catch {
    return require('@opensearch-project/opensearch');
  }
}

const library = load();

// The client of a user, "user:password".
function connect(user, options = {}) {
  const [username, password] = user.split(':');
  const ca = process.env.ESAUTH_CA ? fs.readFileSync(process.env.ESAUTH_CA) : undefined;
  // The older clients call the option `ssl`, the newer one `tls`.
  return new library.Client({ node: process.env.ESAUTH_URL, auth: { username, password }, ssl: { ca }, tls: { ca }, ...options });
}

// The older clients wrap the answer with its status and headers.
const answer = (response) => response.body ?? response;

async function run(tests, ...clients) {
  console.log(`1..${Object.keys(tests).length}`);
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test(...clients);
      console.log(`ok ${name}`);
    } catch (error) {
      process.exitCode = 1;
      console.log(`not ok ${name}: ${error}`);
    }
  }
}

process.removeAllListeners('warning');
module.exports = { library, connect, answer, run };
