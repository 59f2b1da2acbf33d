// A certified OpenID provider in the role of Microsoft, for interoperability tests of our client. Only the addresses are
// Microsoft's; oidc-provider alone decides what it requires, answers and refuses.
//
// It reads its settings from one line of JSON, writes {"origin": "http://127.0.0.1:..."} as one line when it is ready, and
// ends with its input.
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

import Provider from 'oidc-provider';

console.info = console.error; // the output contains only the origin

const input = createInterface({ input: process.stdin });
const settings = JSON.parse((await once(input, 'line'))[0]);
input.once('close', () => process.exit());

const server = createServer().listen(0, '127.0.0.1');
await once(server, 'listening');
const origin = `http://127.0.0.1:${server.address().port}`;

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const signingKey = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: 'interop-1' };

const provider = new Provider(`${origin}/${settings.directory}/v2.0`, {
  clients: settings.clients,
  jwks: { keys: [signingKey] },
  cookies: { keys: ['a key for a test'] },
  routes: {
    authorization: `/${settings.directory}/oauth2/v2.0/authorize`,
    token: `/${settings.directory}/oauth2/v2.0/token`,
    jwks: `/${settings.directory}/discovery/v2.0/keys`,
  },
  scopes: ['openid', 'offline_access', ...settings.permissions.map((permission) => origin + permission)],
  pkce: { required: () => true, methods: ['S256'] },
  rotateRefreshToken: true,
  // Microsoft puts these claims into the id_token, where our client reads them.
  conformIdTokenClaims: false,
  claims: { openid: ['sub', 'tid', 'oid'], profile: ['name', 'preferred_username'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id, tid: settings.directory, oid: `object-of-${id}`, name: 'Integration', preferred_username: `${id}@contoso.example`,
    }),
  }),
});

server.on('request', provider.callback());
process.stdout.write(`${JSON.stringify({ origin })}\n`);
