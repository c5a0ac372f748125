// Users and API keys of one test file, which are deleted after the file's tests.
import { randomBytes, randomUUID } from "node:crypto";
import { Client } from "pg";
import { afterAll, beforeAll } from "vitest";
import { call, stack } from "./client.ts";

export interface Person {
	readonly email: string;
	readonly password: string;
	readonly fullname: string;
	/** Each person has a different network address, so that no one is throttled for another's attempts. */
	readonly address: string;
}

/** A person who has signed up. */
export interface User extends Person {
	readonly id: string;
	readonly sessionId: string;
	readonly accessToken: string;
	readonly refreshToken: string;
}

/** The answer of `/auth/v1` to a sign-in. */
interface SessionAnswer {
	access_token: string;
	refresh_token: string;
	expires_in: number;
	user: { id: string; email: string };
}

/** The database, as superuser. */
export const database = new Client({ connectionString: stack.databaseUrl });

const DOMAIN = `${randomUUID()}.example`;

beforeAll(() => database.connect());
afterAll(async () => {
	await database.query("delete from auth.users where email like '%@' || $1", [
		DOMAIN,
	]);
	await database.query("delete from postern.api_keys where name = $1", [
		DOMAIN,
	]);
	await database.end();
});

/** A person without an account. */
export function newPerson(fullname = "Ada"): Person {
	return {
		email: `${fullname.toLowerCase()}-${randomUUID()}@${DOMAIN}`,
		password: `correct horse ${randomUUID()}`,
		fullname,
		address: newAddress(),
	};
}

/** An address of the block for documentation (RFC 3849), each in a different subscriber's network. */
export function newAddress(): string {
	const groups = randomBytes(4).toString("hex").match(/.{4}/g) ?? [];
	return `2001:db8:${groups.join(":")}::1`;
}

export async function newUser(fullname?: string): Promise<User> {
	const person = newPerson(fullname);
	const { email, password } = person;
	const response = await authenticate(person, "/auth/v1/signup", {
		email,
		password,
		data: { fullname: person.fullname },
	});
	return userOf(person, await sessionIn(response));
}

/** Another session of the user. */
export async function signIn(person: Person): Promise<User> {
	return userOf(person, await sessionIn(await trySignIn(person)));
}

export function trySignIn({ email, password, address }: Person) {
	return authenticate({ address }, "/auth/v1/token?grant_type=password", {
		email,
		password,
	});
}

export function refresh(
	{ address }: Pick<Person, "address">,
	refreshToken: string,
): Promise<Response> {
	return authenticate({ address }, "/auth/v1/token?grant_type=refresh_token", {
		refresh_token: refreshToken,
	});
}

/** Sends JSON from the person's address, without any credential. */
export function authenticate(
	{ address }: Pick<Person, "address">,
	path: string,
	json: unknown,
): Promise<Response> {
	return call(path, { json, headers: { "cf-connecting-ip": address } });
}

export async function sessionIn(response: Response): Promise<SessionAnswer> {
	if (response.ok) return (await response.json()) as SessionAnswer;
	throw new Error(`No session: ${response.status} ${await response.text()}`);
}

function userOf(person: Person, session: SessionAnswer): User {
	return {
		...person,
		id: session.user.id,
		sessionId: String(claimsOf(session.access_token).session_id),
		accessToken: session.access_token,
		refreshToken: session.refresh_token,
	};
}

/** The claims of a token, unverified. */
export function claimsOf(token: string): Record<string, unknown> {
	const [, claims = ""] = token.split(".");
	return JSON.parse(Buffer.from(claims, "base64url").toString());
}

/** A publishable key, whose caller has the anonymous role. */
export function publishableKey(): Promise<string> {
	return apiKey("publishable");
}

/** A secret key of a program. */
export function secretKey(role = "service"): Promise<string> {
	return apiKey("secret", role);
}

async function apiKey(kind: string, role?: string): Promise<string> {
	const { rows } = await database.query(
		"select postern.create_api_key($1, $2, $3) as key",
		[DOMAIN, kind, role],
	);
	return rows[0].key;
}

export function revokeKey(key: string) {
	return database.query(
		"select postern.revoke_api_key(id) from postern.api_keys where key_hash = sha256(convert_to($1, 'UTF8'))",
		[key],
	);
}
