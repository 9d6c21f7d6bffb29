// A dashboard of one page, on another origin, in a headless browser. Run by scripts/e2e.sh, which sets what identity.sh is given,
// ESAUTH_BROWSER (Chromium) and ESAUTH_DASHBOARD_PORT (the page's origin http://localhost:PORT is the one that httpd allows).
//
// The browser is driven by the DevTools protocol over a pipe: no client library is needed.
'use strict';
const assert = require('node:assert');
const { spawn } = require('node:child_process');
const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');

const { ESAUTH_URL: url, ESAUTH_USER: user, ESAUTH_FOLDER: folder, ESAUTH_DASHBOARD_PORT: port } = process.env;
const who = `${url}/_security/_authenticate`;
const document = `${url}/browser-e2e-${crypto.randomUUID()}/_doc/1`;
const headers = (password) => ({ Authorization: 'Basic ' + Buffer.from(password).toString('base64') });

class Browser {
  #next = 0;
  #waiting = new Map();
  #rest = '';
  // How often a person would have been asked for a password.
  dialogs = 0;

  constructor() {
    // Trusts the server's certificate, by the hash of its key.
    const certificate = new crypto.X509Certificate(fs.readFileSync(process.env.ESAUTH_CA));
    const key = certificate.publicKey.export({ type: 'spki', format: 'der' });
    const hash = crypto.createHash('sha256').update(key).digest('base64');
    this.process = spawn(process.env.ESAUTH_BROWSER, [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--remote-debugging-pipe',
      `--user-data-dir=${path.join(folder, 'browser')}`, `--ignore-certificate-errors-spki-list=${hash}`,
    ], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    this.process.stdio[4].setEncoding('utf8').on('data', (text) => this.#received(text));
  }

  #received(text) {
    const messages = (this.#rest + text).split('\0');
    this.#rest = messages.pop();
    for (const message of messages.map((message) => JSON.parse(message))) {
      if (message.id) this.#waiting.get(message.id)(message);
      else this.#happened(message);
    }
  }

  // Every request goes on; a dialog for a password is answered.
  #happened({ method, params }) {
    if (method === 'Fetch.requestPaused') this.send('Fetch.continueRequest', { requestId: params.requestId });
    if (method !== 'Fetch.authRequired') return;
    this.dialogs += 1;
    const [username, password] = user.split(':');
    const authChallengeResponse = { response: 'ProvideCredentials', username, password };
    this.send('Fetch.continueWithAuth', { requestId: params.requestId, authChallengeResponse });
  }

  send(method, params = {}) {
    const id = (this.#next += 1);
    const sessionId = method.startsWith('Target.') ? undefined : this.session;
    this.process.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + '\0');
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) => (error ? reject(new Error(error.message)) : resolve(result)));
    });
  }

  async open(address) {
    const { targetId } = await this.send('Target.createTarget', { url: address });
    this.session = (await this.send('Target.attachToTarget', { targetId, flatten: true })).sessionId;
    await this.send('Fetch.enable', { handleAuthRequests: true });
    for (let tries = 0; (await this.evaluate('location.href')) !== address; tries += 1) {
      assert(tries < 300, `${address} does not open`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async evaluate(expression) {
    const { result } = await this.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    return result.value;
  }

  // What a script of the page learns: status and body, or the error; and the dialogs on the way.
  async fetch(address, options = {}) {
    const before = this.dialogs;
    const script = (address, options) =>
      fetch(address, options).then(
        async (answer) => ({ status: answer.status, body: await answer.text() }),
        (error) => ({ error: error.name }),
      );
    const answer = await this.evaluate(`(${script})(${JSON.stringify(address)}, ${JSON.stringify(options)})`);
    return { ...answer, dialogs: this.dialogs - before };
  }
}

function put(credentials) {
  const file = path.join(folder, 'credentials');
  const { mode, uid, gid } = fs.statSync(file);
  fs.writeFileSync(`${file}.new`, credentials, { mode });
  fs.chownSync(`${file}.new`, uid, gid);
  fs.renameSync(`${file}.new`, file);
}

const browser = new Browser();

function is(answer, status, dialogs = 0) {
  assert.deepStrictEqual([answer.status, answer.dialogs], [status, dialogs], answer.body);
}

function has(answer, text) {
  assert(answer.body.includes(text), answer.body);
}

const tests = {
  async 'a fetch with a password, which the browser asks leave for without it, gets data'() {
    const answer = await browser.fetch(who, { headers: headers(user) });
    is(answer, 200);
    has(answer, '"username":"service-alice"');
  },
  async 'so does one that writes'() {
    const options = { method: 'PUT', headers: { ...headers(user), 'Content-Type': 'application/json' }, body: '{"n":1}' };
    is(await browser.fetch(document, options), 201);
    is(await browser.fetch(path.dirname(path.dirname(document)), { method: 'DELETE', headers: headers(user) }), 200);
  },
  async 'a wrong password is a 401 that the page can read'() {
    const answer = await browser.fetch(who, { headers: headers('alice:wrong') });
    is(answer, 401);
    has(answer, '401');
  },
  async 'and so is none, if the browser may not ask for it'() {
    is(await browser.fetch(who, { credentials: 'omit' }), 401);
  },
  async 'a header of an identity is not among those that a page may send'() {
    const claim = { ...headers(user), 'es-security-runas-user': 'root' };
    assert.strictEqual((await browser.fetch(who, { headers: claim })).error, 'TypeError');
  },
  async 'a page of another origin learns nothing'() {
    await browser.open(`http://127.0.0.1:${port}/`);
    assert.strictEqual((await browser.fetch(who, { headers: headers(user) })).error, 'TypeError');
    await browser.open(`http://localhost:${port}/`);
  },
  async 'with credentials: include, the browser asks the user'() {
    const answer = await browser.fetch(who, { credentials: 'include' });
    is(answer, 200, 1);
    has(answer, '"username":"service-alice"');
  },
  async 'once'() {
    is(await browser.fetch(who, { credentials: 'include' }), 200);
  },
  async "a back end's own 401 is a 502 that the page can read, and no dialog"() {
    const sound = fs.readFileSync(path.join(folder, 'credentials'));
    put('*: ApiKey bm86c3VjaF9rZXk=\n');
    const answer = await browser.fetch(who, { credentials: 'include' });
    put(sound);
    is(answer, 502);
    has(answer, 'refuses the credential');
  },
  async 'after which the password that the browser has is still right'() {
    is(await browser.fetch(who, { credentials: 'include' }), 200);
  },
};

async function main() {
  const dashboard = http.createServer((_, answer) => {
    answer.setHeader('Content-Type', 'text/html').end('<!doctype html><title>dashboard</title>');
  });
  await new Promise((resolve) => dashboard.listen(port, resolve));
  console.log(`1..${Object.keys(tests).length}`);
  await browser.open(`http://localhost:${port}/`);
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
      console.log('ok', name);
    } catch (error) {
      process.exitCode = 1;
      console.log(`not ok ${name}: ${error.message}`);
    }
  }
}

main()
  .catch((error) => {
    process.exitCode = 1;
    console.log(`not ok: ${error.stack}`);
  })
  .finally(() => {
    browser.process.kill();
    process.exit();
  });
