// Postern's users for one request: the caller's address, session and token are those of the request.
import * as z from "zod/mini";
import { Refusal } from "../http/refusals.ts";
import { hasClaims, type Identity } from "../identity/identity.ts";
import { ADDRESS_HEADER, UNKNOWN_ADDRESS } from "../limits/caller.ts";
import type {
	Accounts,
	Credentials,
	NewUser,
	SessionOf,
	SignedIn,
	SignOutScope,
	User,
	UserChanges,
} from "./accounts.ts";
import type { AccessToken, Issue } from "./issue-token.ts";

/** A user's session, with the tokens that its client keeps. */
export interface UserSession {
	user: User;
	accessToken: AccessToken;
	refreshToken: string;
}

/** @throws {Refusal} from any of them: `issuing_off` where no TOKEN_SIGNING_KEY is set */
export interface CallerAccounts {
	/** Creates a user, signed in. */
	signUp(newUser: NewUser): Promise<UserSession>;
	signIn(credentials: Credentials): Promise<UserSession>;
	refresh(refreshToken: string): Promise<UserSession>;
	/** The caller. A caller without a session here, such as another issuer's user, is refused as `unauthenticated`. */
	getUser(): Promise<User>;
	updateUser(changes: UserChanges): Promise<User>;
	signOut(scope: SignOutScope): Promise<void>;
}

interface CallerAccountsOptions {
	/** The accounts, asked through the request's own pipeline. */
	accounts: Accounts;
	issue: Issue;
	/** `iss` of the tokens that `issue` signs: only they have a session here. */
	issuer: string;
	identity: Identity;
	/** The caller's network address. */
	address: string;
	/** Limits sign-ins. @throws {Refusal} */
	onSignIn: (account: string, address: string) => Promise<void>;
}

const sessionClaims = z.lazy(() =>
	z.looseObject({ sub: z.guid(), session_id: z.guid() }),
);

export function openAccounts({
	accounts,
	issue,
	issuer,
	identity,
	address,
	onSignIn,
}: CallerAccountsOptions): CallerAccounts {
	return {
		signUp: async (newUser) => begin(await accounts.signUp(newUser, address)),
		async signIn(credentials) {
			await onSignIn(credentials.email, address);
			return begin(await accounts.signIn(credentials, address));
		},
		refresh: async (refreshToken) =>
			begin(await accounts.refresh(refreshToken, address)),
		getUser: async () => accounts.getUser(session()),
		updateUser: async (changes) => accounts.updateUser(session(), changes),
		signOut: async (scope) => accounts.signOut(session(), scope),
	};

	async function begin({ user, session }: SignedIn): Promise<UserSession> {
		return {
			user,
			accessToken: await issue(user, session.id),
			refreshToken: session.refresh_token,
		};
	}

	/** Which session the caller's access token belongs to. A token of another issuer has none. */
	function session(): SessionOf {
		const { iss, ...claims } = identity.claims;
		const { data } = sessionClaims.safeParse(claims);
		if (iss !== issuer || data === undefined) {
			throw new Refusal("unauthenticated");
		}
		return { userId: data.sub, sessionId: data.session_id };
	}
}

/** The header in which Supabase takes the address of the user on whose behalf a program asks. */
const FORWARDED_FOR = "sb-forwarded-for";

const networkAddress = z.lazy(() => z.union([z.ipv4(), z.ipv6()]));

/** The address that attempts are counted for: the connection's, or the one that a program with a secret API key hands on. */
export function addressOf(
	headers: Headers,
	{ role, claims }: Identity,
	anonRole: string,
): string {
	// Only a secret API key gives a role without claims: a token has an issuer.
	const isProgram = role !== anonRole && !hasClaims(claims);
	const forwarded = isProgram ? headers.get(FORWARDED_FOR) : null;
	if (forwarded !== null) {
		const [first = ""] = forwarded.split(",");
		const { success, data } = networkAddress.safeParse(first.trim());
		if (success) return data;
	}
	return headers.get(ADDRESS_HEADER) ?? UNKNOWN_ADDRESS;
}

/** The accounts of a gateway that signs no tokens. */
export const NO_ACCOUNTS: CallerAccounts = {
	signUp: refuse,
	signIn: refuse,
	refresh: refuse,
	getUser: refuse,
	updateUser: refuse,
	signOut: refuse,
};

async function refuse(): Promise<never> {
	throw new Refusal("issuing_off");
}
