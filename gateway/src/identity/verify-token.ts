// Verifies an access token: a JWT of one of several issuers. Refuses an expired one. The token's `iss` chooses the issuer, and
// then only that issuer's keys and algorithms count: nothing in a token chooses the kind of its key.
import {
	base64url,
	decodeJwt,
	decodeProtectedHeader,
	errors,
	type JWK,
	type JWTPayload,
	type JWTVerifyOptions,
} from "jose";
import { BoundedMap } from "../cache/bounded-map.ts";
import { parseExactJson } from "../http/exact-json.ts";
import { Refusal } from "../http/refusals.ts";
import type { SealedValues } from "../kv/sealed-values.ts";
import type { Identity } from "./identity.ts";
import { createKeySet, type FindKeys, verifyWithKeys } from "./key-set.ts";
import { createRemoteKeys } from "./remote-keys.ts";

/** Where an issuer's keys come from. */
type IssuerKeys =
	| { kind: "jwks"; jwks: { keys: JWK[] } }
	| { kind: "url"; url: URL }
	| { kind: "secret"; secret: Uint8Array };

export interface Issuer {
	/** `iss` of its tokens. */
	issuer: string;
	/** One of these has to be in `aud`. Undefined: any will do, or none. */
	audience: string[] | undefined;
	/** JWS algorithms (RFC 7518) that its keys are for. */
	algorithms: string[];
	keys: IssuerKeys;
	/** The path of the claim that holds the role, or one role for all of the issuer's callers. */
	role: { claim: string[] } | { fixed: string };
	/** Roles that its tokens may name. */
	roles: string[];
	/** Its tokens are API keys in the form of tokens: as `apikey` they say what the app is, and `Authorization` says who calls. */
	ofApp?: boolean;
}

export interface VerifyDeps {
	/** The clock, in milliseconds since the epoch. */
	now: () => number;
	/** Fetches keys by URL. */
	fetchKeys: (request: Request) => Promise<Response>;
	/** Keeps fetched keys for all isolates. */
	keyStore: SealedValues | undefined;
}

/** Longer tokens are refused before they are decoded. */
const MAX_TOKEN_CHARACTERS = 8_192;
/** RFC 7515, section 7.1. jose would ignore padding and white space. */
const COMPACT_JWS = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const CLOCK_TOLERANCE_SECONDS = 5;

/** A verified token is not verified again for this long. A revoked key is believed that much longer. */
const REMEMBERED_MS = 60_000;
/** Both together bound the remembered tokens to 2 MB. */
const MAX_REMEMBERED = 1_000;
const MAX_REMEMBERED_CHARACTERS = 2_048;

/** Claims about the token, not about the caller. */
const TOKEN_CLAIMS = new Set(["aud", "exp", "iat", "jti", "nbf"]);

/** @throws {Refusal} `token_rejected`, `token_expired`, `role_refused` or `issuer_unreachable` */
export type Verify = (token: string) => Promise<Verified>;

export interface Verifier {
	readonly verify: Verify;
	/** What `verify` would give at once; undefined for a token that it has to verify, or refuses. */
	recall(token: string): Verified | undefined;
}

export interface Verified {
	readonly identity: Identity;
	/** Whether the token is an app's API key. */
	readonly ofApp: boolean;
	readonly expiresAtMs: number;
}

export function createVerify(
	issuers: readonly Issuer[],
	deps: VerifyDeps,
): Verifier {
	/** An issuer may have one entry for its keys and one for its secret: they have no algorithm in common. */
	const verifiers = new Map(
		issuers.flatMap((issuer) => {
			const verifier = createVerifier(issuer, deps);
			return issuer.algorithms.map((algorithm): [string, Verify] => [
				nameOf(issuer.issuer, algorithm),
				verifier,
			]);
		}),
	);
	// Verifying is a third of the gateway's CPU for a request: bench/verification.ts.
	const remembered = new BoundedMap<Verified & { until: number }>(
		MAX_REMEMBERED,
	);

	return { verify, recall };

	function recall(token: string): Verified | undefined {
		const known = remembered.get(token);
		return known !== undefined && deps.now() < known.until ? known : undefined;
	}

	async function verify(token: string): Promise<Verified> {
		if (token.length > MAX_TOKEN_CHARACTERS || !COMPACT_JWS.test(token)) {
			throw rejected();
		}
		const known = recall(token);
		if (known !== undefined) return known;
		const verifyOne = verifiers.get(claimedName(token));
		if (verifyOne === undefined) throw rejected();
		const verified = await verifyOne(token);
		if (token.length <= MAX_REMEMBERED_CHARACTERS) {
			const until = Math.min(verified.expiresAtMs, deps.now() + REMEMBERED_MS);
			remembered.set(token, { ...verified, until });
		}
		return verified;
	}
}

function createVerifier(issuer: Issuer, deps: VerifyDeps): Verify {
	const findKeys = keysOf(issuer.keys, deps);
	const options: JWTVerifyOptions = {
		algorithms: issuer.algorithms,
		issuer: issuer.issuer,
		...(issuer.audience && { audience: issuer.audience }),
		requiredClaims: ["exp"],
		clockTolerance: CLOCK_TOLERANCE_SECONDS,
	};
	return async function verify(token) {
		const currentDate = new Date(deps.now());
		const payload = await verified(token, findKeys, {
			...options,
			currentDate,
		});
		if (payload.sub !== undefined && typeof payload.sub !== "string") {
			throw rejected();
		}
		const role = roleOf(payload, issuer);
		return {
			identity: { role, ...split(exactClaims(token)) },
			ofApp: issuer.ofApp ?? false,
			// jose has checked that `exp` is there and a number.
			expiresAtMs: Number(payload.exp) * 1000,
		};
	};
}

async function verified(
	token: string,
	findKeys: FindKeys,
	options: JWTVerifyOptions,
): Promise<JWTPayload> {
	try {
		return await verifyWithKeys(token, findKeys, options);
	} catch (cause) {
		if (cause instanceof Refusal) throw cause;
		if (cause instanceof errors.JWTExpired) {
			throw new Refusal("token_expired", { cause });
		}
		throw rejected(cause);
	}
}

/** The claims of a verified token, with their numbers as they are written: rounded, two callers could become one. */
function exactClaims(token: string): Identity["claims"] {
	const [, payload = ""] = token.split(".");
	const json = new TextDecoder().decode(base64url.decode(payload));
	// jose has parsed it before, and it was an object.
	return parseExactJson(json) as Identity["claims"];
}

function keysOf(keys: IssuerKeys, deps: VerifyDeps): FindKeys {
	switch (keys.kind) {
		case "jwks":
			return createKeySet(keys.jwks);
		case "secret":
			return async function* () {
				yield keys.secret;
			};
		case "url":
			return createRemoteKeys({
				url: keys.url,
				fetch: deps.fetchKeys,
				store: deps.keyStore,
				now: deps.now,
			});
	}
}

/** What the token says of its issuer and algorithm, before anything in it is verified. */
function claimedName(token: string): string {
	try {
		const { iss = "" } = decodeJwt(token);
		const { alg = "" } = decodeProtectedHeader(token);
		return nameOf(iss, alg);
	} catch (cause) {
		throw rejected(cause);
	}
}

function nameOf(issuer: string, algorithm: string): string {
	return JSON.stringify([issuer, algorithm]);
}

function roleOf(claims: JWTPayload, { role, roles }: Issuer): string {
	if ("fixed" in role) return role.fixed;
	let value: unknown = claims;
	for (const name of role.claim) {
		const isObject = typeof value === "object" && value !== null;
		value =
			isObject && Object.hasOwn(value as object, name)
				? (value as Record<string, unknown>)[name]
				: undefined;
	}
	if (typeof value !== "string" || !roles.includes(value)) {
		throw new Refusal("role_refused");
	}
	return value;
}

/** Tells claims about the caller from those about the token. `role` is neither: it was looked up and allowed. */
function split({
	role: _,
	...payload
}: Identity["claims"]): Required<Omit<Identity, "role">> {
	const all = Object.entries(payload);
	const isOfToken = ([name]: [string, unknown]) => TOKEN_CLAIMS.has(name);
	return {
		claims: Object.fromEntries(all.filter((claim) => !isOfToken(claim))),
		tokenClaims: Object.fromEntries(all.filter(isOfToken)),
	};
}

function rejected(cause?: unknown): Refusal {
	return new Refusal("token_rejected", { cause });
}
