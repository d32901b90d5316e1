// A real OpenID Connect provider for tests: it signs in whoever `login_hint` names, without a question, and errs on
// request.
//
// Called with the folder of its packages, and with JSON: `redirect_uris`, `alg` of its keys, and `claims_in_id_token`,
// without which claims stand in the user info alone. Prints `{"issuer"}` when it listens, and ends with its input.
//
// `POST /_control` changes what it does from then on: `delay_ms` and `big` (a path that is answered with 10 MB),
// `broken` (a path that is answered with 500), `rotate` (new keys, once), `redirect_uris`, `accounts` (claims, by account),
// `declines` (an account that says no), `id_token` with `claims`, `header` and `by`, as below, to put over what it would
// say. `POST /_sign` with the same makes a token: `by` is `key` (its own), `stranger`
// (another key under the same name), `none` or `public_key` (HMAC with it). `GET /_counts` tells how often each path was
// asked for.

import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, called] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(folder, "node_modules", path)).href);
const { default: Provider } = await load("oidc-provider/lib/index.js");
const jose = await load("jose/dist/webapi/index.js");
const options = JSON.parse(called);
const alg = options.alg ?? "RS256";

const accounts = {
  ada: { email: "ada@example.com", email_verified: true, name: "Ada Lovelace" },
  bob: { email: "bob@example.com", email_verified: false, name: "Bob" },
  eve: {},
};
const faults = { delay_ms: 0 };
const counts = {};
let key;
let provider;
let made = 0;

async function newKey() {
  const pair = await jose.generateKeyPair(alg, { extractable: true });
  made += 1;
  return { ...(await jose.exportJWK(pair.privateKey)), kid: `key-${made}`, alg, use: "sig" };
}

function clientOf(id, method) {
  return {
    client_id: id,
    client_secret: `secret of ${id}, with signs: +/%`,
    redirect_uris: options.redirect_uris,
    token_endpoint_auth_method: method,
    id_token_signed_response_alg: alg,
  };
}

function newProvider(issuer) {
  const made = new Provider(issuer, {
    clients: [clientOf("tollway", "client_secret_basic"), clientOf("posting", "client_secret_post")],
    clientAuthMethods: options.client_auth_methods ?? ["client_secret_basic", "client_secret_post"],
    jwks: { keys: [key] },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    conformIdTokenClaims: !options.claims_in_id_token,
    cookies: { keys: ["for tests"] },
    features: { devInteractions: { enabled: false } },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...accounts[id] }) }),
    interactions: { url: (_, interaction) => `/sign-in/${interaction.uid}` },
    ttl: { AuthorizationCode: options.code_seconds ?? 60, AccessToken: 60, IdToken: 600, Interaction: 60, Session: 60, Grant: 60 },
  });
  made.use(err);
  return made;
}

async function err(context, next) {
  if (faults.delay_ms) await new Promise((resolve) => setTimeout(resolve, faults.delay_ms));
  if (faults.broken === context.path) {
    context.status = 500;
    context.body = "broken";
    return;
  }
  await next();
  if (faults.big === context.path) context.body = { ...context.body, padding: "x".repeat(10_000_000) };
  if (faults.metadata && context.path === "/.well-known/openid-configuration") {
    context.body = { ...context.body, ...faults.metadata };
  }
  if (faults.user_info && context.path === "/me") context.body = { ...context.body, ...faults.user_info };
  if (faults.id_token && context.body?.id_token) {
    const claims = { ...jose.decodeJwt(context.body.id_token), ...faults.id_token.claims };
    context.body.id_token = await sign({ ...faults.id_token, claims });
  }
}

async function sign({ claims, header = {}, by = "key" }) {
  const head = { alg, kid: key.kid, typ: "JWT", ...header };
  if (by === "none") return new jose.UnsecuredJWT(claims).encode();
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  if (by === "public_key") {
    const { n, e, x, y, kty, crv } = key;
    const pem = await jose.exportSPKI(await jose.importJWK({ n, e, x, y, kty, crv }, alg, { extractable: true }));
    const signed = `${encode({ ...head, alg: "HS256" })}.${encode(claims)}`;
    return `${signed}.${createHmac("sha256", pem).update(signed).digest("base64url")}`;
  }
  const signer = by === "stranger" ? await newKey() : key;
  return new jose.SignJWT(claims).setProtectedHeader(head).sign(await jose.importJWK(signer, alg));
}

async function signIn(request, response) {
  const { params } = await provider.interactionDetails(request, response);
  if (faults.declines === params.login_hint) {
    return await provider.interactionFinished(request, response, { error: "access_denied" });
  }
  const grant = new provider.Grant({ accountId: params.login_hint, clientId: params.client_id });
  grant.addOIDCScope("openid email profile");
  const result = { login: { accountId: params.login_hint }, consent: { grantId: await grant.save() } };
  await provider.interactionFinished(request, response, result);
}

async function bodyOf(request) {
  let text = "";
  for await (const piece of request) text += piece;
  return text ? JSON.parse(text) : {};
}

async function control(issuer, asked) {
  const { rotate, redirect_uris, accounts: changed, ...others } = asked;
  Object.assign(faults, others);
  Object.assign(accounts, changed);
  options.redirect_uris = redirect_uris ?? options.redirect_uris;
  if (rotate) key = await newKey();
  if (rotate || redirect_uris) provider = newProvider(issuer);
  return "{}";
}

const server = createServer(async (request, response) => {
  const path = new URL(request.url, "http://none").pathname;
  const issuer = `http://127.0.0.1:${server.address().port}`;
  try {
    if (path === "/_control") return response.end(await control(issuer, await bodyOf(request)));
    if (path === "/_sign") return response.end(await sign(await bodyOf(request)));
    if (path === "/_counts") return response.end(JSON.stringify(counts));
    counts[path] = (counts[path] ?? 0) + 1;
    if (path.startsWith("/sign-in/")) return await signIn(request, response);
    await provider.callback()(request, response);
  } catch (error) {
    response.statusCode = 500;
    response.end(String(error?.stack ?? error));
  }
});

server.listen(0, "127.0.0.1", async () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  key = await newKey();
  provider = newProvider(issuer);
  console.log(JSON.stringify({ issuer }));
});
process.stdin.on("end", () => process.exit()).resume();
