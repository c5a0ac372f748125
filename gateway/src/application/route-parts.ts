// The words in which a route describes itself for OpenAPI: who may call it, what it takes and answers. Checks nothing itself.
import type { SecurityRequirementObject } from "openapi3-ts/oas31";
import * as z from "zod/mini";
import { Refusal, type RefusalCode } from "../http/refusals.ts";
import type { SECURITY_SCHEMES } from "./security-schemes.ts";

type Security = Partial<Record<keyof typeof SECURITY_SCHEMES, string[]>>[];

const CALLERS = {
	/** With or without credentials: the database decides what they see. */
	anyone: [{}, { bearer: [] }, { apiKey: [] }],
	/** Callers who may write. */
	writers: [{ bearer: [] }, { apiKey: [] }],
	/** A person who has signed in. */
	users: [{ bearer: [] }],
	/** Callers who have no credentials yet. */
	newcomers: [],
} satisfies Record<string, Security>;

/** Who may call a route: any one of these credentials does. */
export const callers: {
	[Who in keyof typeof CALLERS]: SecurityRequirementObject[];
} = CALLERS;

/** PostgREST's error shape, which the gateway's own refusals share. */
const errorBody = z
	.object({
		code: z.string(),
		message: z.string(),
		details: z.nullable(z.string()),
		hint: z.nullable(z.string()),
		weak_password: z
			.optional(z.object({ reasons: z.array(z.string()) }))
			.with(z.describe("What is wrong with a password, as in GoTrue's API.")),
	})
	.register(z.globalRegistry, { id: "Error" });

/** An answer of a route. */
export function answer<Schema extends z.core.$ZodType>(
	description: string,
	schema: Schema,
) {
	return { description, content: { "application/json": { schema } } };
}

/** The answer of a route that created something. */
export function created<Schema extends z.core.$ZodType>(schema: Schema) {
	return {
		...answer("Created", schema),
		headers: {
			Location: {
				description: "Its address",
				required: true,
				schema: { type: "string" as const },
			},
		},
	};
}

/** A JSON body. */
export function body<Schema extends z.core.$ZodType>(schema: Schema) {
	return { body: { content: { "application/json": { schema } } } };
}

/** What every route refuses. */
const COMMON: readonly RefusalCode[] = [
	"token_malformed",
	"token_rejected",
	"token_expired",
	"key_rejected",
	"credentials_conflict",
	"role_refused",
	"issuer_unreachable",
	"origin_refused",
	"origin_unreachable",
	"origin_busy",
	"origin_timeout",
	"internal_error",
];

let common: readonly Refusal[] | undefined;

/** What a route with a body refuses. */
export const OF_BODIES = [
	"body_malformed",
	"body_invalid",
	"body_too_large",
	"media_type_unsupported",
] as const satisfies RefusalCode[];

/** What a route refuses that some callers may not use. */
export const OF_CALLERS = [
	"unauthenticated",
	"denied",
] as const satisfies RefusalCode[];

/** What a route refuses whose path has an id. */
export const OF_IDS = [
	"parameter_invalid",
	"not_found",
] as const satisfies RefusalCode[];

/** The answers of a route that refuses with these, besides those of every route. */
export function refusalAnswers(own: readonly Refusal[]): Record<never, never> {
	common ??= COMMON.map((code) => new Refusal(code));
	const all = [...own, ...common];
	const byCode = new Map(all.map((refusal) => [refusal.code, refusal]));
	const byStatus = Map.groupBy(byCode.values(), ({ status }) => status);
	const answers = [...byStatus].map(([status, refused]) => [
		status,
		refusalAnswer(refused),
	]);
	return Object.fromEntries(answers);
}

function refusalAnswer(refused: readonly Refusal[]) {
	const lines = refused.map(({ code, message }) => `- \`${code}\`: ${message}`);
	const [{ code, message } = {}] = refused;
	const example = { code, message, details: null, hint: null };
	return {
		description: lines.join("\n"),
		content: { "application/json": { schema: errorBody, example } },
	};
}

/** The answers of a route that refuses with Postern's own codes; `defineRefusals` gives one that knows an application's as well. */
export function refusals(...codes: RefusalCode[]): Record<never, never> {
	return refusalAnswers(codes.map((code) => new Refusal(code)));
}
