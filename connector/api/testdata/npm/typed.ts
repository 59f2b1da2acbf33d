// Calls the REST API by openapi-fetch with the types that openapi-typescript has made of the served document. What the document
// does not have must not compile.
import createClient from "openapi-fetch";
import type { paths } from "./types.js";

declare const process: { env: Record<string, string> };
const [baseUrl, key, tenant] = JSON.parse(process.env.JUDGE) as [string, string, string];
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });

const listed = await client.GET("/v1/tenants", { params: { query: { limit: 10 } } });
const names: string[] = (listed.data?.tenants ?? []).map((t) => t.name);
const lent = await client.POST("/v1/tenants/{tenant}/accessToken", { params: { path: { tenant } }, body: { api: "graph" } });
const refused = await client.POST("/v1/tenants/{tenant}/accessToken", { params: { path: { tenant } }, body: { api: "partnercenter" } });
const status = await client.GET("/v1/tenants/{tenant}/status", { params: { path: { tenant } } });
const code: string | undefined = refused.error?.error.code;

// @ts-expect-error there is no such path
void (() => client.GET("/v1/nothing"));
// @ts-expect-error the tenant is missing
void (() => client.GET("/v1/tenants/{tenant}/status"));
// @ts-expect-error the api is missing
void (() => client.POST("/v1/tenants/{tenant}/accessToken", { params: { path: { tenant } }, body: {} }));
// @ts-expect-error a status has no such member
void (() => status.data?.nothing);

console.log(JSON.stringify({ names, token: lent.data?.accessToken, code, state: status.data?.state }));
