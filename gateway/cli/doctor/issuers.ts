// Checks the issuers of callers' tokens: whether their keys can be fetched, whether they call themselves what the settings call
// them, and whether a caller's token is accepted.
import { decodeJwt, errors } from "jose";
import { z } from "zod";
import { Refusal } from "../../src/http/refusals.ts";
import { createVerify, type Issuer } from "../../src/identity/verify-token.ts";
import type { Config } from "../../src/settings/settings.ts";
import { KEY_SET_PATH } from "../../src/settings/supabase.ts";
import { type Mend, operator, type Report } from "./finding.ts";
import { reasonOf } from "./postgrest.ts";

const LIMIT_MS = 10_000;

const keySet = z.object({ keys: z.array(z.looseObject({})) });
const discovery = z.object({ issuer: z.string() });

export async function checkIssuers(
	{ issuers, access }: Pick<Config, "issuers" | "access">,
	report: Report,
): Promise<void> {
	for (const issuer of [...issuers, ...(access ? [access] : [])]) {
		await checkKeys(issuer, hasSecret(issuer, issuers), report);
		await checkName(issuer, report);
	}
}

/** An entry for a Supabase project is one issuer with a key set and, where given, one with its secret. */
function hasSecret({ issuer }: Issuer, issuers: readonly Issuer[]): boolean {
	return issuers.some(
		(other) => other.issuer === issuer && other.keys.kind === "secret",
	);
}

async function checkKeys(
	{ issuer, keys }: Issuer,
	hasSecret: boolean,
	report: Report,
): Promise<void> {
	if (keys.kind !== "url") return;
	const { url } = keys;
	const fault = await keySetFault(url);
	if (fault === undefined) return;
	if (fault.publishesNone && hasSecret)
		report.addNote(
			"issuers",
			`${issuer} publishes no keys at ${url} (${fault.reason}): only tokens that are signed with its secret are accepted`,
			operator(
				"nothing, as long as the issuer signs with the secret; else publish its keys there",
			),
		);
	else
		report.addWrong(
			"issuers",
			`The keys of ${issuer} cannot be fetched from ${url}: ${fault.reason}`,
			keySetMend(url, fault),
		);
}

interface KeySetFault {
	readonly reason: string;
	/** What a Supabase project answers that signs with its legacy secret: an empty set or, an older one, 401 or 404. */
	readonly publishesNone: boolean;
}

/** @returns undefined where the URL has a key set with a key */
async function keySetFault(url: URL): Promise<KeySetFault | undefined> {
	try {
		const response = await get(url);
		const { status } = response;
		if (status !== 200)
			return {
				reason: `the answer is ${status}`,
				publishesNone: status === 401 || status === 404,
			};
		const { data } = keySet.safeParse(await response.json());
		if (data === undefined)
			return { reason: "it is no key set", publishesNone: false };
		return data.keys.length > 0
			? undefined
			: { reason: "it has no keys", publishesNone: true };
	} catch (error) {
		return { reason: reasonOf(error), publishesNone: false };
	}
}

function keySetMend({ pathname }: URL, { publishesNone }: KeySetFault): Mend {
	if (!pathname.endsWith(KEY_SET_PATH))
		return operator("set the URL of the issuer's key set: jwksUrl in ISSUERS");
	return operator(
		publishesNone
			? "set secret in the project's entry of ISSUERS to its JWT secret, or let the project sign with an ES256 or RS256 key"
			: "set supabase in the project's entry of ISSUERS to the URL where the project answers",
	);
}

/** OpenID Connect Discovery 1.0, section 4. `iss` is compared letter by letter, and a last slash is often left out. */
async function checkName(
	{ issuer, keys }: Issuer,
	report: Report,
): Promise<void> {
	if (keys.kind !== "url" || !URL.canParse(issuer)) return;
	const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
	const found = await get(new URL(url))
		.then((response) => response.json())
		// Not every issuer has the document.
		.catch(() => undefined);
	const name = discovery.safeParse(found).data?.issuer;
	if (name !== undefined && name !== issuer)
		report.addWrong(
			"issuers",
			`ISSUERS names ${issuer}, which calls itself ${name}: none of its tokens is accepted`,
			operator(`set in ISSUERS: "issuer": "${name}"`),
		);
}

/** @param token a caller's, from the app */
export async function checkToken(
	token: string,
	{ issuers }: Config,
	report: Report,
): Promise<void> {
	const { verify } = createVerify(issuers, {
		now: Date.now,
		fetchKeys: (request) => fetch(request),
		keyStore: undefined,
	});
	try {
		await verify(token);
	} catch (error) {
		if (!(error instanceof Refusal)) throw error;
		report.addWrong("callers' token", ...tokenFault(error, token, issuers));
	}
}

function tokenFault(
	refusal: Refusal,
	token: string,
	issuers: readonly Issuer[],
): [problem: string, mend: Mend] {
	const { iss, aud } = claimsOf(token);
	const issuer = issuers.find((one) => one.issuer === iss);
	if (issuer === undefined)
		return [
			`The token is of the issuer ${iss}, which the settings do not name`,
			operator(`add an entry to ISSUERS: "issuer": "${iss}"`),
		];
	const { cause } = refusal;
	if (cause instanceof errors.JWTClaimValidationFailed && cause.claim === "aud")
		return [
			`The token is for ${JSON.stringify(aud)}, the settings accept ${JSON.stringify(issuer.audience)} of ${iss}`,
			operator(
				`set in ISSUERS, for ${iss}: "audience": ${JSON.stringify(aud)}`,
			),
		];
	if (refusal.code === "role_refused")
		return [
			`The token of ${iss} names no role that the settings accept: ${issuer.roles.join(", ")}`,
			operator(`set roleClaim, role or roles in ISSUERS, for ${iss}`),
		];
	return [
		`The token of ${iss} is refused: ${reasonOf(refusal)}`,
		operator(`set the keys and algorithms of ${iss} in ISSUERS`),
	];
}

function claimsOf(token: string): ReturnType<typeof decodeJwt> {
	try {
		return decodeJwt(token);
	} catch {
		return {};
	}
}

function get(url: URL): Promise<Response> {
	return fetch(url, {
		headers: { accept: "application/json" },
		signal: AbortSignal.timeout(LIMIT_MS),
	});
}
