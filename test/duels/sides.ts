// The two sides of a duel: callers, some with headers that a pre-request function may read, and their tokens.
import type { Credentials } from "../../gateway/cli/stack/credentials.ts";
import {
	issueCallerToken,
	issueToken,
} from "../../gateway/cli/stack/tokens.ts";
import { pickWeighted, type Random } from "../histories/random.ts";

interface Caller {
	readonly name: string;
	readonly role: string;
	readonly claims: Readonly<Record<string, string>>;
}

const CALLERS: readonly (Caller & { weight: number })[] = [
	{ weight: 4, ...person("ada", "red") },
	{ weight: 4, ...person("bob", "red") },
	{ weight: 2, ...person("cyd", "blue") },
	{ weight: 2, name: "anonymous", role: "anon", claims: {} },
	{ weight: 1, ...person("dora", "blue", "duel_staff") },
];

const HEADERS: readonly {
	readonly weight: number;
	readonly fields: Readonly<Record<string, string>>;
}[] = [
	{ weight: 12, fields: {} },
	{ weight: 2, fields: { "x-role": "duel_vip" } },
	{ weight: 2, fields: { "x-zone": "Asia/Tokyo" } },
	{ weight: 2, fields: { "x-sub": "bob" } },
];

export interface Side {
	readonly caller: Caller;
	readonly fields: Readonly<Record<string, string>>;
}

export const [ADA, BOB] = ["ada", "bob"].map(
	(name): Side => ({ caller: person(name, "red"), fields: {} }),
) as [Side, Side];

const ROSTER = 5;

/** The sides of a world, all different. Ada and bob are always there. */
export function rosterOf(random: Random): Side[] {
	const sides: Side[] = [ADA, BOB];
	while (sides.length < ROSTER) {
		const side = {
			caller: pickWeighted(random, CALLERS),
			fields: pickWeighted(random, HEADERS).fields,
		};
		if (!sides.some((known) => nameOf(known) === nameOf(side)))
			sides.push(side);
	}
	return sides;
}

export function nameOf({ caller, fields }: Side): string {
	const headers = Object.entries(fields).map((field) => field.join(": "));
	return [caller.name, ...headers].join(" with ");
}

const LIFETIME_SECONDS = 86_400;

/** Authorization of a caller at the gateway, and of the same caller at PostgREST. */
export interface Tokens {
	atGateway(caller: Caller): Promise<Record<string, string>>;
	atPostgrest(caller: Caller): Promise<Record<string, string>>;
}

export function createTokens(credentials: Credentials): Tokens {
	const known = new Map<string, Promise<string>>();
	const once = (name: string, make: () => Promise<string>) => {
		const token = known.get(name) ?? make();
		known.set(name, token);
		return token;
	};
	return {
		async atGateway({ name, role, claims }) {
			if (role === "anon") return {};
			const token = await once(`gateway ${name}`, () =>
				issueCallerToken(
					credentials.tokenSigningKey,
					{ role, ...claims },
					LIFETIME_SECONDS,
				),
			);
			return { authorization: `Bearer ${token}` };
		},
		async atPostgrest({ name, role, claims }) {
			const token = await once(`postgrest ${name}`, () =>
				issueToken(
					credentials.originSigningKey,
					{ aud: "postgrest", role, ...claims },
					LIFETIME_SECONDS,
				),
			);
			return { authorization: `Bearer ${token}` };
		},
	};
}

function person(name: string, tenant: string, role = "authenticated"): Caller {
	return { name, role, claims: { sub: name, tenant } };
}
