// The one maker of an Identity: from the request's credentials, all of which have to agree, or nobody.
// Never trusts another header, and never hands a credential on.
import { Refusal } from "../http/refusals.ts";
import { type ApiKey, isApiKey } from "./api-keys.ts";
import type { Identity } from "./identity.ts";
import type { Verify } from "./verify-token.ts";

/** RFC 6750, section 2.1: the scheme, one space, one b64token. Schemes ignore case (RFC 9110, 11.1). */
const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/** Cloudflare Access puts its own JWT about the caller here. */
const ACCESS_HEADER = "cf-access-jwt-assertion";

/** @throws {Refusal} for credentials that are malformed, rejected, or at odds with each other */
export type Identify = (request: Request) => Promise<Identity>;

interface IdentifyDeps {
	/** Verifies a bearer token. */
	verifyToken: Verify;
	/** Verifies an Access assertion, where Access is in front. Without it the header means nothing. */
	verifyAssertion: Verify | undefined;
	findApiKey: (key: string) => Promise<ApiKey | undefined>;
	/** Role of nobody in particular. */
	anonRole: string;
}

/** Builds the identifier. */
export function createIdentify(deps: IdentifyDeps): Identify {
	const { verifyToken, verifyAssertion, findApiKey, anonRole } = deps;
	const nobody: Identity = Object.freeze({ role: anonRole, claims: {} });

	return async function identify(request) {
		const { headers } = request;
		// supabase-js sends its key as both, until somebody has signed in.
		const texts = new Set([...bearer(headers), ...apiKeyHeader(headers)]);
		const identities: Identity[] = [];
		for (const text of texts) identities.push(await resolve(text));
		const assertion = headers.get(ACCESS_HEADER);
		if (verifyAssertion !== undefined && assertion !== null) {
			identities.push(await verifyAssertion(assertion));
		}
		return agreed(identities);
	};

	async function resolve(text: string): Promise<Identity> {
		if (!isApiKey(text)) return verifyToken(text);
		const key = await findApiKey(text);
		if (key === undefined) throw new Refusal("key_rejected");
		return key.kind === "secret" ? { role: key.role, claims: {} } : nobody;
	}

	/** An anonymous credential, such as the key of an app, agrees with that of the app's user. */
	function agreed(identities: readonly Identity[]): Identity {
		const somebody = identities.filter(({ role }) => role !== anonRole);
		const anonymous = identities.filter(
			({ role, claims }) => role === anonRole && Object.keys(claims).length > 0,
		);
		const candidates = somebody.length > 0 ? somebody : anonymous;
		if (candidates.length > 1) throw new Refusal("credentials_conflict");
		return candidates[0] ?? nobody;
	}
}

function bearer(headers: Headers): string[] {
	const header = headers.get("authorization");
	if (header === null) return [];
	const token = BEARER.exec(header)?.[1];
	if (token === undefined) throw new Refusal("token_malformed");
	return [token];
}

function apiKeyHeader(headers: Headers): string[] {
	const key = headers.get("apikey");
	if (key === null) return [];
	// Of the two things that it may be, only a token has dots.
	if (!isApiKey(key) && !key.includes(".")) throw new Refusal("key_rejected");
	return [key];
}
