// Borrows access tokens with @azure/identity. App Service's variables lead it to the server.
//
// One JSON object per line comes in, one per line goes out, until the input ends:
//
//   {"client"?, "scope"} -> {"access_token", "expires"} | {"error"}
import { createInterface } from 'node:readline';

import { ManagedIdentityCredential } from '@azure/identity';

for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line);
  try {
    const credential = task.client ? new ManagedIdentityCredential({ clientId: task.client, retryOptions: { maxRetries: 0 } }) : new ManagedIdentityCredential({ retryOptions: { maxRetries: 0 } });
    const { token, expiresOnTimestamp } = await credential.getToken(task.scope);
    console.log(JSON.stringify({ access_token: token, expires: expiresOnTimestamp / 1000 }));
  } catch (refused) {
    console.log(JSON.stringify({ error: String(refused) }));
  }
}
