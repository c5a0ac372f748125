import fc from "fast-check";
import { decodeJwt, exportSPKI, generateKeyPair, SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import { refusal, refusalBody, startGateway } from "../support/gateway.ts";
import type { Received } from "../support/origin.ts";
import {
	ADA,
	ISSUER_KEY,
	makeKey,
	NOW_SECONDS,
	tokenFor,
} from "../support/tokens.ts";

/** The tolerance: seconds by which the clocks of issuer and gateway may differ. */
const TOLERANCE = 5;

const gateway = startGateway();

/** Sends a request with these headers: the refusal, and whether the origin was asked. */
async function ask(headers: HeadersInit | undefined, path = "/rest/v1/notes") {
	gateway.origin.received.length = 0;
	const response = await gateway.request(path, { headers });
	return { response, received: gateway.origin.received };
}

async function outcome(headers: HeadersInit | undefined) {
	const { response, received } = await ask(headers);
	return { ...(await refusal(response)), reachedOrigin: received.length > 0 };
}

function outcomeFor(token: string) {
	return outcome({ Authorization: `Bearer ${token}` });
}

/** The role in the origin token. */
function roleAt(received: Received[]): unknown {
	const [first] = received;
	const bearer = first?.headers.get("authorization")?.replace("Bearer ", "");
	return bearer === undefined ? undefined : decodeJwt(bearer).role;
}

/** The role of a caller who sends these headers. */
async function roleFor(headers: HeadersInit | undefined, path?: string) {
	return roleAt((await ask(headers, path)).received);
}

const refused = (status: number, code: string) => ({
	status,
	code,
	reachedOrigin: false,
});
const MALFORMED = refused(401, "token_malformed");
const REJECTED = refused(401, "token_rejected");
const EXPIRED = refused(401, "token_expired");
const ROLE_REFUSED = refused(403, "role_refused");

function base64url(value: object): string {
	return btoa(JSON.stringify(value))
		.replaceAll("+", "-")
		.replaceAll("/", "_")
		.replaceAll("=", "");
}

describe("a caller without credentials", () => {
	it("has the anonymous role", async () => {
		expect(await roleFor(undefined)).toBe("anon");
	});

	it("has the role that ANON_ROLE names", async () => {
		const { request, origin } = startGateway({ env: { ANON_ROLE: "visitor" } });
		await request("/rest/v1/notes");
		expect(roleAt(origin.received)).toBe("visitor");
	});

	it("is one who sends a token in the query", async () => {
		const token = await tokenFor();
		expect(
			await roleFor(undefined, `/rest/v1/notes?access_token=${token}`),
		).toBe("anon");
	});

	it("is one who sends a token in a cookie", async () => {
		const token = await tokenFor();
		expect(await roleFor({ Cookie: `access_token=${token}` })).toBe("anon");
	});

	it("is one who only names a role", async () => {
		expect(await roleFor({ Role: "authenticated", "X-Role": "postgres" })).toBe(
			"anon",
		);
	});
});

describe("a token of the issuer's", () => {
	it("gives its caller the role that it names", async () => {
		expect(await roleFor({ Authorization: `Bearer ${await tokenFor()}` })).toBe(
			"authenticated",
		);
	});

	it("is accepted as apikey, too", async () => {
		expect(await roleFor({ apikey: await tokenFor() })).toBe("authenticated");
	});

	it("is accepted in both headers, too", async () => {
		const token = await tokenFor();
		expect(
			await roleFor({ apikey: token, Authorization: `Bearer ${token}` }),
		).toBe("authenticated");
	});

	it("may name the anonymous role", async () => {
		const token = await tokenFor({ role: "anon" });
		expect(await roleFor({ Authorization: `Bearer ${token}` })).toBe("anon");
	});

	it.each(["bearer", "BEARER", "bEaReR"])(
		"follows the scheme %s",
		async (scheme) => {
			expect(
				await roleFor({ Authorization: `${scheme} ${await tokenFor()}` }),
			).toBe("authenticated");
		},
	);

	it("follows several spaces", async () => {
		expect(
			await roleFor({ Authorization: `Bearer   ${await tokenFor()}` }),
		).toBe("authenticated");
	});

	it("need not name a subject", async () => {
		const token = await tokenFor({ sub: undefined });
		expect(await roleFor({ Authorization: `Bearer ${token}` })).toBe(
			"authenticated",
		);
	});

	it("may be for several audiences", async () => {
		const token = await tokenFor({ aud: ["other", "authenticated"] });
		expect(await roleFor({ Authorization: `Bearer ${token}` })).toBe(
			"authenticated",
		);
	});

	it("may name a role of TOKEN_ROLES", async () => {
		const { request, origin } = startGateway({ env: { TOKEN_ROLES: "clerk" } });
		await request("/rest/v1/notes", {
			token: await tokenFor({ role: "clerk" }),
		});
		expect(roleAt(origin.received)).toBe("clerk");
	});

	it("may be signed by any key of the set", async () => {
		const next = await makeKey("issuer-2");
		const keys = [ISSUER_KEY.publicJwk, next.publicJwk];
		const { request, origin } = startGateway({
			env: { TOKEN_JWKS: JSON.stringify({ keys }) },
		});
		await request("/rest/v1/notes", {
			token: await tokenFor({}, { key: next }),
		});
		expect(roleAt(origin.received)).toBe("authenticated");
	});
});

describe("the time of a token", () => {
	it("ends at exp plus the tolerance", async () => {
		const exp = NOW_SECONDS - TOLERANCE;
		expect(await outcomeFor(await tokenFor({ exp }))).toEqual(EXPIRED);
	});

	it("has not ended a second before that", async () => {
		const token = await tokenFor({ exp: NOW_SECONDS - TOLERANCE + 1 });
		expect(await roleFor({ Authorization: `Bearer ${token}` })).toBe(
			"authenticated",
		);
	});

	it("has to include exp", async () => {
		expect(await outcomeFor(await tokenFor({ exp: undefined }))).toEqual(
			REJECTED,
		);
	});

	it("has to include exp as a number", async () => {
		const claims = { ...ADA, exp: "2099-01-01" };
		const token = await new SignJWT(claims as never)
			.setProtectedHeader({ alg: "ES256", kid: ISSUER_KEY.kid })
			.sign(ISSUER_KEY.privateKey);
		expect(await outcomeFor(token)).toEqual(REJECTED);
	});

	it("has not begun a second before nbf less the tolerance", async () => {
		const nbf = NOW_SECONDS + TOLERANCE + 1;
		expect(await outcomeFor(await tokenFor({ nbf }))).toEqual(REJECTED);
	});

	it("begins at nbf less the tolerance", async () => {
		const token = await tokenFor({ nbf: NOW_SECONDS + TOLERANCE });
		expect(await roleFor({ Authorization: `Bearer ${token}` })).toBe(
			"authenticated",
		);
	});
});

describe("a token that is not for the gateway", () => {
	it.each([
		["is of another issuer", { iss: "someone" }],
		["names no issuer", { iss: undefined }],
		["names several issuers", { iss: ["postern"] }],
		["is for another audience", { aud: "postgrest" }],
		["is for other audiences", { aud: ["a", "b"] }],
		["names no audience", { aud: undefined }],
		["has a number for a subject", { sub: 1 }],
		["has null for a subject", { sub: null }],
		["has an object for a subject", { sub: { id: "ada" } }],
	])("is rejected if it %s", async (_, changes) => {
		expect(await outcomeFor(await tokenFor(changes))).toEqual(REJECTED);
	});

	it.each([
		["no role", undefined],
		["an empty role", ""],
		["null for a role", null],
		["a number for a role", 1],
		["several roles", ["authenticated"]],
		["an unknown role", "clerk"],
		["a role in other letters", "Authenticated"],
		["the gateway's role", "postern"],
		["the role that logs in", "authenticator"],
		["the superuser", "postgres"],
		["a property of every object", "constructor"],
	])("is refused if it names %s", async (_, role) => {
		expect(await outcomeFor(await tokenFor({ role }))).toEqual(ROLE_REFUSED);
	});
});

describe("a token that the issuer did not sign", () => {
	it("is rejected if another key signed it under the issuer's kid", async () => {
		const key = await makeKey(ISSUER_KEY.kid);
		expect(await outcomeFor(await tokenFor({}, { key }))).toEqual(REJECTED);
	});

	it("is rejected if its kid is unknown", async () => {
		const key = await makeKey("unknown");
		expect(await outcomeFor(await tokenFor({}, { key }))).toEqual(REJECTED);
	});

	it("is rejected if it is not signed", async () => {
		const token = `${base64url({ alg: "none" })}.${base64url(ADA)}.`;
		expect(await outcomeFor(token)).toEqual(REJECTED);
	});

	it("is rejected if its signature is cut off", async () => {
		const [header, payload] = (await tokenFor()).split(".");
		expect(await outcomeFor(`${header}.${payload}.`)).toEqual(REJECTED);
	});

	it.each([
		[
			"text",
			async () =>
				new TextEncoder().encode(await exportSPKI(ISSUER_KEY.publicKey)),
		],
		[
			"bytes",
			async () =>
				new Uint8Array(
					// A public key's SPKI form is bytes, not a JWK.
					(await crypto.subtle.exportKey(
						"spki",
						ISSUER_KEY.publicKey as CryptoKey,
					)) as ArrayBuffer,
				),
		],
	])(
		"is rejected if the public key's %s was used as an HMAC secret",
		async (_, secret) => {
			const token = await new SignJWT(ADA)
				.setProtectedHeader({ alg: "HS256", kid: ISSUER_KEY.kid })
				.sign(await secret());
			expect(await outcomeFor(token)).toEqual(REJECTED);
		},
	);

	it("is rejected if it is signed with RS256", async () => {
		const { privateKey } = await generateKeyPair("RS256");
		const token = await new SignJWT(ADA)
			.setProtectedHeader({ alg: "RS256", kid: ISSUER_KEY.kid })
			.sign(privateKey);
		expect(await outcomeFor(token)).toEqual(REJECTED);
	});

	it("is rejected if it brings its own key", async () => {
		const key = await makeKey("own");
		const header = { jwk: key.publicJwk };
		expect(await outcomeFor(await tokenFor({}, { key, header }))).toEqual(
			REJECTED,
		);
	});

	it("is rejected if it brings its own key under the issuer's kid", async () => {
		const key = await makeKey(ISSUER_KEY.kid);
		const header = { jwk: key.publicJwk };
		expect(await outcomeFor(await tokenFor({}, { key, header }))).toEqual(
			REJECTED,
		);
	});

	it.each(["jku", "x5u"])(
		"is rejected if %s says where its key is",
		async (name) => {
			const key = await makeKey("own");
			const header = { [name]: "https://evil.example/keys.json" };
			expect(await outcomeFor(await tokenFor({}, { key, header }))).toEqual(
				REJECTED,
			);
		},
	);

	it("is rejected if its header has a critical extension", async () => {
		const signer = new SignJWT(ADA).setProtectedHeader({
			alg: "ES256",
			kid: ISSUER_KEY.kid,
			crit: ["urn:example:twist"],
			"urn:example:twist": true,
		});
		const token = await signer.sign(ISSUER_KEY.privateKey, {
			crit: { "urn:example:twist": true },
		});
		expect(await outcomeFor(token)).toEqual(REJECTED);
	});

	it("is rejected if its payload is another token's", async () => {
		const [header, , signature] = (await tokenFor()).split(".");
		const [, payload] = (await tokenFor({ sub: "eve" })).split(".");
		expect(await outcomeFor(`${header}.${payload}.${signature}`)).toEqual(
			REJECTED,
		);
	});

	it("is rejected if its payload is no JSON object", async () => {
		const [header, , signature] = (await tokenFor()).split(".");
		expect(await outcomeFor(`${header}.${base64url([])}.${signature}`)).toEqual(
			REJECTED,
		);
	});

	it("is rejected before it is decoded if it is huge", async () => {
		const token = await tokenFor({ padding: "x".repeat(8_192) });
		expect(await outcomeFor(token)).toEqual(REJECTED);
	});
});

describe("an Authorization header", () => {
	it.each([
		["is empty", ""],
		["is a scheme alone", "Bearer"],
		["is a scheme and a space", "Bearer "],
		["is of another scheme", "Basic YWRhOnNlY3JldA=="],
		["is of a scheme that begins alike", "Bearerx abc.def.ghi"],
		["has two words after the scheme", "Bearer abc.def.ghi jkl"],
		["has two tokens", "Bearer abc.def.ghi, Bearer jkl.mno.pqr"],
		["has a parameter", 'Bearer token="abc.def.ghi"'],
		["has a tab in place of the space", "Bearer\tabc.def.ghi"],
		["has a control character", "Bearer abc.def\u0001.ghi"],
		["has = inside the token", "Bearer abc=.def.ghi"],
	])("that %s is malformed", async (_, value) => {
		expect(await outcome({ Authorization: value })).toEqual(MALFORMED);
	});

	it("that is sent twice is malformed", async () => {
		const bearer = `Bearer ${await tokenFor()}`;
		const twice = [bearer, bearer].map((value): [string, string] => [
			"Authorization",
			value,
		]);
		expect(await outcome(twice)).toEqual(MALFORMED);
	});

	it("that is a token without a scheme is malformed", async () => {
		expect(await outcome({ Authorization: await tokenFor() })).toEqual(
			MALFORMED,
		);
	});

	it.each(["abc", "abc.def", "abc.def.ghi", "a.b.c.d.e", "...", "======="])(
		"that is Bearer %s is refused",
		async (token) => {
			const { status, reachedOrigin } = await outcomeFor(token);
			expect([status, reachedOrigin]).toEqual([401, false]);
		},
	);
});

describe("a token with one character changed", () => {
	const ALPHABET =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	/** 64 bytes are 86 characters of 6 bits: the last 4 bits of the signature mean nothing (RFC 4648, section 3.5). */
	function meansTheSame(token: string, index: number, character: string) {
		const isLast = index === token.length - 1;
		return (
			isLast &&
			ALPHABET.indexOf(character) >> 4 ===
				ALPHABET.indexOf(token.charAt(index)) >> 4
		);
	}

	it("is never accepted", async () => {
		const token = await tokenFor();
		await fc.assert(
			fc.asyncProperty(
				fc.nat(token.length - 1),
				fc.constantFrom(...ALPHABET, ".", "=", "+", "/", "~"),
				async (index, character) => {
					fc.pre(
						character !== token.charAt(index) &&
							!meansTheSame(token, index, character),
					);
					const changed =
						token.slice(0, index) + character + token.slice(index + 1);
					const { status, reachedOrigin } = await outcomeFor(changed);
					expect([status, reachedOrigin]).toEqual([401, false]);
				},
			),
			{ numRuns: 1_000 },
		);
	});

	it("is never accepted with a character removed or added", async () => {
		const token = await tokenFor();
		await fc.assert(
			fc.asyncProperty(
				fc.nat(token.length - 1),
				fc.constantFrom("", ...ALPHABET),
				async (index, character) => {
					const start = token.slice(0, index);
					const changed =
						character === ""
							? start + token.slice(index + 1)
							: start + character + token.slice(index);
					const { status, reachedOrigin } = await outcomeFor(changed);
					expect([status, reachedOrigin]).toEqual([401, false]);
				},
			),
			{ numRuns: 300 },
		);
	});
});

describe("a refused request", () => {
	it("is refused on every route, before the origin is asked", async () => {
		const answers = [];
		for (const path of ["/rest/v1/a", "/notes/x", "/notes", "/nowhere"]) {
			const { response } = await ask(
				{ Authorization: "Bearer abc.def.ghi" },
				path,
			);
			answers.push(response.status);
		}
		expect(answers).toEqual([401, 401, 401, 401]);
	});

	it("does not say why the token was rejected", async () => {
		const messages = new Set<string>();
		for (const changes of [{ iss: "x" }, { aud: "x" }, { sub: 1 }]) {
			const { response } = await ask({
				Authorization: `Bearer ${await tokenFor(changes)}`,
			});
			messages.add((await refusalBody(response)).message);
		}
		expect([...messages]).toEqual(["The bearer token was not accepted"]);
	});
});
