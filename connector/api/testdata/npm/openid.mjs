// Requests access tokens with openid-client, by client credentials, after it has found the endpoint in the metadata (RFC 8414).
//
// One JSON object per line comes in, one per line goes out, until the input ends:
//
//   {"issuer", "client", "key"? | "private_key"?, "scope", "style"?: "basic"} ->
//     {"access_token", "expires_in", "scope"} | {"error", "status"}
import { createInterface } from 'node:readline';

import * as openid from 'openid-client';

async function authentication(task) {
  if (task.private_key) {
    const pkcs8 = Buffer.from(task.private_key, 'base64');
    return openid.PrivateKeyJwt(await crypto.subtle.importKey('pkcs8', pkcs8, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']));
  }
  return task.style === 'basic' ? openid.ClientSecretBasic(task.key) : openid.ClientSecretPost(task.key);
}

async function answer(task) {
  try {
    const config = await openid.discovery(new URL(task.issuer), task.client, undefined, await authentication(task), {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests], // the server is on this machine
    });
    const { access_token, expires_in, scope } = await openid.clientCredentialsGrant(config, { scope: task.scope });
    return { access_token, expires_in, scope };
  } catch (refused) {
    return { error: refused.error ?? refused.code ?? String(refused), status: refused.status ?? 0 };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line))));
}
