// The last write of each user in this isolate whose token names its transaction: nobody has polled for it. The user's reads here
// wait for a poll that shows it, whether or not they send the token, because apps read again what they have just written.

import { BoundedMap } from "../cache/bounded-map.ts";
import type { Identity } from "../identity/identity.ts";

const MAX_USERS = 1_000;

export type OwnWrites = ReturnType<typeof createOwnWrites>;

export function createOwnWrites() {
	const tokens = new BoundedMap<string>(MAX_USERS);

	return {
		remember(identity: Identity, consistencyToken: string): void {
			const user = userOf(identity);
			if (user !== undefined) tokens.set(user, consistencyToken);
		},
		/** The tokens that a read of this user has to cover, with those that it sent. */
		tokensFor(identity: Identity, sent: readonly string[]): readonly string[] {
			const user = userOf(identity);
			const own = user === undefined ? undefined : tokens.get(user);
			return own === undefined ? sent : [...sent, own];
		},
		/** A view covers these tokens, so every later one does. */
		areShown(identity: Identity, consistencyTokens: readonly string[]): void {
			const user = userOf(identity) ?? "";
			if (consistencyTokens.includes(tokens.get(user) ?? ""))
				tokens.delete(user);
		},
	};
}

/** Two users with one name would only wait for each other's writes. */
function userOf({ claims: { sub } }: Identity): string | undefined {
	return typeof sub === "string" ? sub : undefined;
}
