// Makes the Identity of a request, from its credentials, which all have to agree. Without credentials it is anonymous.
// Never trusts another header, and never passes a credential on.
import { Refusal } from "../http/refusals.ts";
import { isApiKey, isSupabaseKey } from "./api-keys.ts";
import type { ApiKey, Identity } from "./identity.ts";
import type { Verify } from "./verify-token.ts";

/** RFC 6750, section 2.1: the scheme, a space, a b64token. The scheme ignores case (RFC 9110, section 11.1). */
const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/** The header in which Cloudflare Access sends its own JWT about the caller. */
const ACCESS_HEADER = "cf-access-jwt-assertion";

interface Credential {
	readonly identity: Identity;
	/** Whether it is the key of a Supabase project. */
	readonly ofApp: boolean;
}

/** @throws {Refusal} for credentials that are malformed, rejected or in conflict */
type Identify = (request: Request) => Promise<Identity>;

interface IdentifyDeps {
	/** Verifies a bearer token. */
	verifyToken: Verify;
	/** Verifies an assertion of Cloudflare Access. Undefined where Access is not configured: its header is then ignored. */
	verifyAssertion: Verify | undefined;
	findApiKey: (key: string) => Promise<ApiKey | undefined>;
	/** The role of anonymous callers. */
	anonRole: string;
}

export function createIdentify(deps: IdentifyDeps): Identify {
	const { verifyToken, verifyAssertion, findApiKey, anonRole } = deps;
	const anonymous: Identity = Object.freeze({ role: anonRole, claims: {} });

	return async function identify(request) {
		const { headers } = request;
		const bearer = bearerOf(headers);
		const apikey = apiKeyOf(headers);
		const assertion = headers.get(ACCESS_HEADER);
		const [caller, app, access] = await all([
			bearer === undefined ? undefined : resolve(bearer),
			// supabase-js sends its API key in both headers until a user has signed in.
			apikey === undefined || apikey === bearer ? undefined : resolve(apikey),
			assertion === null ? undefined : verifyAssertion?.(assertion),
		]);
		// As at Supabase: the key of a project says what the app is, and Authorization says who calls.
		const saysWho = caller === undefined || app?.ofApp !== true;
		const credentials = [caller, saysWho ? app : undefined, access];
		return agreed(credentials.flatMap((it) => it?.identity ?? []));
	};

	async function resolve(text: string): Promise<Credential> {
		if (!isApiKey(text)) return verifyToken(text);
		const key = await findApiKey(text);
		if (key === undefined) throw new Refusal("key_rejected");
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
