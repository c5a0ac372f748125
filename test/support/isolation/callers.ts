// Callers with random roles and claims, pairs of nearly equal ones, and their tokens: the access token that the gateway
// accepts, and the origin token that it makes for PostgREST.
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { CompactSign, importJWK } from "jose";
import { stack } from "../client.ts";
import { seldom, text } from "./values.ts";

export type Claims = Readonly<Record<string, unknown>>;

/** A caller as the database has to see them. */
export interface Caller {
	readonly role: string;
	readonly claims: Claims;
	/** The issuer of the caller's token; undefined without a token. */
	readonly issuer: "postern" | "other" | undefined;
}

/** A role that no policy holds back. */
export const BYPASSER = "isolation_bypasser";
/** A role that is also `authenticated`, and so has its policies. */
export const MEMBER = "isolation_member";

export const ROLES = ["anon", "authenticated", "service", MEMBER, BYPASSER];

/** Roles belong to the server, not to a database. */
export const MAKE_ROLES = `
	create role ${BYPASSER} nologin noinherit bypassrls;
	create role ${MEMBER} nologin inherit;
	grant authenticated to ${MEMBER};
	grant ${BYPASSER}, ${MEMBER} to authenticator;
`;
export const DROP_ROLES = `drop role if exists ${BYPASSER}, ${MEMBER};`;

/** Another issuer, whose tokens may name any role and claims. */
const OTHER = "https://issuer.example";
const SECRET = "isolation".repeat(4);

/** The variables of a gateway that accepts all these callers. */
export const CALLER_VARIABLES = {
	TOKEN_ROLES: ROLES.join(),
	ISSUERS: JSON.stringify([
		{ issuer: OTHER, audience: "authenticated", secret: SECRET, roles: ROLES },
	]),
};

/** A claim, and the path of its text, if it has the expected form. */
export type ClaimPath = readonly [string, ...string[]];

/** The claims that policies may read. */
export const CLAIM_PATHS: readonly ClaimPath[] = [
	["sub"],
	["tenant"],
	["app_metadata", "org"],
	["email"],
	["it's"],
	["https://issuer.example/tenant"],
	["ключ"],
	["__proto__"],
	["constructor"],
	["user metadata", "a.b", "c d"],
	["role"],
	["iss"],
];

/** Claims that no policy reads. */
const UNREAD = ["session_id", "nonce", "name"];

/** Values that policies do not expect. */
const odd: fc.Arbitrary<unknown> = fc.constantFrom<unknown>(
	...[1, 0, -0, 1.5, true, false, null, [], {}, ["a"], ["A"], [["a"]]],
	...[{ org: "a" }, { org: null }, { "": "a" }],
);

const json = seldom(odd, text, 8);

/** The value of a claim with text at the end of a path, and other members. */
function holding([name, ...others]: readonly string[]): fc.Arbitrary<unknown> {
	if (name === undefined) return json;
	const other = fc.constantFrom<string>("a", "other", "__proto__");
	return fc
		.tuple(holding(others), fc.option(fc.tuple(other, json)), fc.boolean())
		.map(([value, more, isFirst]) => {
			const entries = more === null ? [] : [more];
			if (isFirst) entries.unshift([name, value]);
			else entries.push([name, value]);
			return Object.fromEntries(entries);
		});
}

type Claim = readonly [name: string, value: unknown];

function claimAt([name, ...path]: ClaimPath): fc.Arbitrary<Claim> {
	// Other values are refused (RFC 7519, section 4.1.2).
	const value = name === "sub" ? text : holding(path);
	return fc.tuple(fc.constant(name), value);
}

/** A claim that policies may read, or one that none reads. */
const anyClaim: fc.Arbitrary<Claim> = fc.oneof(
	{ weight: 1, arbitrary: fc.constantFrom(...CLAIM_PATHS).chain(claimAt) },
	{
		weight: 2,
		arbitrary: fc.tuple(
			fc.constant("groups"),
			seldom(odd, fc.array(json, { maxLength: 3 }), 8),
		),
	},
	{ weight: 4, arbitrary: fc.tuple(fc.constantFrom(...UNREAD), json) },
);

const NOBODY: Caller = { role: "anon", claims: {}, issuer: undefined };

const role = fc.oneof(
	{ weight: 6, arbitrary: fc.constant("authenticated") },
	{ weight: 4, arbitrary: fc.constantFrom(...ROLES) },
);

const issuer = seldom(
	fc.constant<Caller["issuer"]>("other"),
	fc.constant<Caller["issuer"]>("postern"),
	5,
);

const claims = fc
	.tuple(
		fc.tuple(
			...CLAIM_PATHS.map((path) => fc.option(claimAt(path), { freq: 8 })),
		),
		fc.array(anyClaim, { maxLength: 2 }),
	)
	.map(([expected, others]) =>
		Object.fromEntries([...expected.filter((it) => it !== null), ...others]),
	);

const caller = seldom(
	fc.constant(NOBODY),
	fc.record({ role, claims, issuer }),
	10,
);

/** Two callers, often nearly equal. */
export const pairs: fc.Arbitrary<readonly [Caller, Caller]> = caller.chain(
	(one) => fc.tuple(fc.constant(one), seldom(caller, near(one), 4)),
);

/** A caller who differs in one or two points. */
function near(one: Caller): fc.Arbitrary<Caller> {
	const { claims } = one;
	const changed = (other: Claims): Caller => ({ ...one, claims: other });
	const names = Object.keys(claims);
	if (one.issuer === undefined)
		return role.map((other) => ({ ...one, role: other, issuer: "postern" }));
	const another = fc
		.constantFrom(...CLAIM_PATHS)
		.chain(claimAt)
		.filter(([name, value]) => !isDeepStrictEqual(claims[name], value));
	return fc.oneof(
		{
			weight: 14,
			arbitrary: fc
				.array(another, { minLength: 1, maxLength: 2 })
				.map((others) => changed({ ...claims, ...Object.fromEntries(others) })),
		},
		{
			weight: 2,
			arbitrary: anyClaim.map(([name, value]) =>
				changed({ ...claims, [name]: value }),
			),
		},
		{ weight: 2, arbitrary: role.map((other) => ({ ...one, role: other })) },
		{
			weight: 1,
			arbitrary: issuer.map((other) => ({ ...one, issuer: other })),
		},
		{
			weight: 1,
			arbitrary: fc
				.constantFrom(...names, "sub")
				.map((name) => changed(without(claims, name))),
		},
		{ weight: 1, arbitrary: fc.constant(changed(reversed(claims) as Claims)) },
	);
}

function without(claims: Claims, left: string): Claims {
	return Object.fromEntries(
		Object.entries(claims).filter(([name]) => name !== left),
	);
}

/** The same value with all members in reverse order. */
function reversed(value: unknown): unknown {
	if (typeof value !== "object" || value === null || Array.isArray(value))
		return value;
	return Object.fromEntries(
		Object.entries(value)
			.reverse()
			.map(([name, member]) => [name, reversed(member)]),
	);
}

/** Whether the database receives the same role and claims for both. */
export function isSame(one: Caller, other: Caller): boolean {
	return isDeepStrictEqual(one, other);
}

const LIFETIME_SECONDS = 3_600;
const remembered = new Map<string, Promise<string>>();

/** The access token that the caller sends to the gateway; undefined for a caller without an issuer. */
export function callersToken(one: Caller): Promise<string> | undefined {
	if (one.issuer === undefined) return undefined;
	return once(`caller ${JSON.stringify(one)}`, () =>
		one.issuer === "other"
			? signed(mentioned(one, "authenticated"), "HS256", SECRET)
			: signed(
					mentioned(one, "authenticated"),
					"ES256",
					stack.credentials.tokenSigningKey,
				),
	);
}

/** The origin token of the same caller, for an anonymous one as well, as the gateway makes it. */
export function originsToken(one: Caller): Promise<string> {
	const payload =
		one.issuer === undefined
			? JSON.stringify({
					role: one.role,
					exp: secondsFromNow(LIFETIME_SECONDS),
				})
			: mentioned(one, "postgrest");
	return once(`origin ${JSON.stringify(one)}`, () =>
		signed(payload, "ES256", stack.credentials.originSigningKey),
	);
}

function secondsFromNow(seconds: number): number {
	return Math.floor(Date.now() / 1000) + seconds;
}

function once(name: string, make: () => Promise<string>): Promise<string> {
	const known = remembered.get(name) ?? make();
	remembered.set(name, known);
	return known;
}

function mentioned(
	{ role: named, claims: all, issuer: by }: Caller,
	aud: string,
) {
	return JSON.stringify({
		...all,
		...(by === undefined ? {} : { iss: by === "other" ? OTHER : "postern" }),
		role: named,
		aud,
		iat: secondsFromNow(0),
		exp: secondsFromNow(LIFETIME_SECONDS),
	});
}

/** A token of exactly this payload. @param key private JWK, or a shared secret */
export async function signed(
	payload: string,
	alg: "ES256" | "HS256",
	key: string,
): Promise<string> {
	const bytes = new TextEncoder().encode(payload);
	if (alg === "HS256") {
		const secret = new TextEncoder().encode(key);
		return new CompactSign(bytes).setProtectedHeader({ alg }).sign(secret);
	}
	const jwk = JSON.parse(key);
	return new CompactSign(bytes)
		.setProtectedHeader({ alg, kid: jwk.kid })
		.sign(await importJWK(jwk, alg));
}
