// Makes the Identity of a request, from its credentials, which all have to agree. Without credentials it is anonymous.
// Never trusts another header, and never passes a credential on.
import { Refusal } from "../http/refusals.ts";
import { type ApiKeys, isApiKey, isSupabaseKey } from "./api-keys.ts";
import type { ApiKey, Identity } from "./identity.ts";
import type { Verifier } from "./verify-token.ts";

/** RFC 6750, section 2.1: the scheme, a space, a b64token. The scheme ignores case (RFC 9110, section 11.1). */
const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/** The header in which Cloudflare Access sends its own JWT about the caller. */
const ACCESS_HEADER = "cf-access-jwt-assertion";

/** What a caller sends to say who they are, accepted or not. */
export type CredentialKind =
	| "anonymous"
	| "token"
	| "api-key"
	| "access"
	| "malformed";

interface Credential {
	readonly identity: Identity;
	/** Whether it is the key of a Supabase project. */
	readonly ofApp: boolean;
}

/** @throws {Refusal} for credentials that are malformed, rejected or in conflict */
interface Identify {
	identify(request: Request): Promise<Identity>;
	/** What `identify` would give, where nothing has to be verified or looked up; undefined in any other case. */
	recall(request: Request): Identity | undefined;
	kindOf(request: Request): CredentialKind;
}

interface IdentifyDeps {
	/** Verifies bearer tokens. */
	tokens: Verifier;
	/** Verifies assertions of Cloudflare Access. Undefined where Access is not configured: its header is then ignored. */
	assertions: Verifier | undefined;
	apiKeys: ApiKeys;
	/** The role of anonymous callers. */
	anonRole: string;
}

export function createIdentify(deps: IdentifyDeps): Identify {
	const { tokens, assertions, apiKeys, anonRole } = deps;
	const anonymous: Identity = Object.freeze({ role: anonRole, claims: {} });

	return {
		async identify({ headers }) {
			const { bearer, apikey, assertion } = credentialsIn(headers);
			return identityOf(
				await all([
					bearer === undefined ? undefined : resolve(bearer),
					apikey === undefined ? undefined : resolve(apikey),
					assertion === undefined ? undefined : assertions?.verify(assertion),
				]),
			);
		},
		recall({ headers }) {
			const { bearer, apikey, assertion } = credentialsIn(headers);
			// An empty text is a credential, too.
			const caller =
				bearer === undefined ? undefined : recallCredential(bearer);
			const app = apikey === undefined ? undefined : recallCredential(apikey);
			const access =
				assertion === undefined ? undefined : assertions?.recall(assertion);
			const isAllKnown =
				(bearer === undefined || caller !== undefined) &&
				(apikey === undefined || app !== undefined) &&
				(assertion === undefined || access !== undefined);
			return isAllKnown ? identityOf([caller, app, access]) : undefined;
		},
		kindOf({ headers }) {
			try {
				const { bearer, apikey, assertion } = credentialsIn(headers);
				const sent = [bearer, apikey].filter((text) => text !== undefined);
				if (sent.some((text) => !isApiKey(text))) return "token";
				if (sent.length > 0) return "api-key";
				return assertion === undefined ? "anonymous" : "access";
			} catch {
				return "malformed";
			}
		},
	};

	function credentialsIn(headers: Headers) {
		const bearer = bearerOf(headers);
		const apikey = apiKeyOf(headers);
		return {
			bearer,
			// supabase-js sends its API key in both headers until a user has signed in.
			apikey: apikey === bearer ? undefined : apikey,
			assertion: assertions && (headers.get(ACCESS_HEADER) ?? undefined),
		};
	}

	function identityOf([caller, app, access]: readonly (
		| Credential
		| undefined
	)[]): Identity {
		// As at Supabase: the key of a project says what the app is, and Authorization says who calls.
		const saysWho = caller === undefined || app?.ofApp !== true;
		const credentials = [caller, saysWho ? app : undefined, access];
		return agreed(credentials.flatMap((it) => it?.identity ?? []));
	}

	async function resolve(text: string): Promise<Credential> {
		if (!isApiKey(text)) return tokens.verify(text);
		const key = await apiKeys.findApiKey(text);
		if (key === undefined) throw new Refusal("key_rejected");
		return credentialOf(key, text);
	}

	function recallCredential(text: string): Credential | undefined {
		if (!isApiKey(text)) return tokens.recall(text);
		const key = apiKeys.recallApiKey(text);
		return key && credentialOf(key, text);
	}

	function credentialOf(key: ApiKey, text: string): Credential {
		return {
			identity:
				key.kind === "secret" ? { role: key.role, claims: {} } : anonymous,
			ofApp: isSupabaseKey(text),
		};
	}

	/** An anonymous credential, such as an app's API key, agrees with the credential of the app's user. */
	function agreed(identities: readonly Identity[]): Identity {
		const users = identities.filter(({ role }) => role !== anonRole);
		const anonymousUsers = identities.filter(
			({ role, claims }) => role === anonRole && Object.keys(claims).length > 0,
		);
		const candidates = users.length > 0 ? users : anonymousUsers;
		if (candidates.length > 1) throw new Refusal("credentials_conflict");
		return candidates[0] ?? anonymous;
	}
}

/** Waits for all of them. Which error is thrown does not depend on which comes first. */
async function all<Values extends readonly unknown[]>(
	promises: readonly [...Values],
) {
	await Promise.allSettled(promises);
	for (const promise of promises) await promise;
	return Promise.all(promises);
}

function bearerOf(headers: Headers): string | undefined {
	const header = headers.get("authorization");
	if (header === null) return undefined;
	const token = BEARER.exec(header)?.[1];
	if (token === undefined) throw new Refusal("token_malformed");
	return token;
}

function apiKeyOf(headers: Headers): string | undefined {
	const key = headers.get("apikey");
	if (key === null) return undefined;
	// The header holds an API key or a token. Only a token has dots.
	if (!isApiKey(key) && !key.includes(".")) throw new Refusal("key_rejected");
	return key;
}
