// The callers of a run. Each has several access tokens that differ only in claims on which no answer depends.
import type { Credentials } from "../../gateway/cli/stack/credentials.ts";
import {
	issueCallerToken,
	issueToken,
} from "../../gateway/cli/stack/tokens.ts";
import type { User } from "./check/history.ts";
import type { Caller } from "./client.ts";

export const USERS: readonly User[] = [
	person("ada", "red"),
	person("bob", "red"),
	person("cyd", "blue"),
	{ name: "anonymous", role: "anon", claims: {} },
];

/** A lifetime longer than any run. */
const LIFETIME_SECONDS = 86_400;

const TOKENS_EACH = 2;

/** As the gateway knows them. */
export function callersOf({ tokenSigningKey }: Credentials): Promise<Caller[]> {
	return withCredentials(async (user, jti) =>
		user.role === "anon"
			? undefined
			: issueCallerToken(
					tokenSigningKey,
					{ role: user.role, ...user.claims, jti },
					LIFETIME_SECONDS,
				),
	);
}

/** As PostgREST knows them, past the gateway. */
export function directCallersOf({
	originSigningKey,
}: Credentials): Promise<Caller[]> {
	return withCredentials((user) =>
		issueToken(
			originSigningKey,
			{ aud: "postgrest", role: user.role, ...user.claims },
			LIFETIME_SECONDS,
		),
	);
}

function withCredentials(
	issue: (user: User, jti: string) => Promise<string | undefined>,
): Promise<Caller[]> {
	return Promise.all(
		USERS.map(async (user) => {
			const credentials: string[] = [];
			for (let number = 1; number <= TOKENS_EACH; number += 1) {
				const token = await issue(user, `token ${number}`);
				if (token !== undefined) credentials.push(token);
			}
			return { ...user, credentials };
		}),
	);
}

function person(name: string, tenant: string): User {
	return { name, role: "authenticated", claims: { sub: name, tenant } };
}
