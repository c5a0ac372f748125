// The words in which the resource routes describe themselves for OpenAPI: who may call them, what they take and answer.
// Never checks anything itself.
import { z } from "@hono/zod-openapi";
import { Refusal, type RefusalCode } from "./refusals.ts";
import type { createRouter } from "./router.ts";

/** Groups of routes. */
const TAGS = [
	{
		name: "Products",
		description: "An inventory: products and their quantities",
	},
	{ name: "Rescues", description: "Animal rescues" },
	{
		name: "Users",
		description:
			"Signing up and in, and the todos of whoever is signed in. `POST /users/token` answers the bearer token that the others ask for.",
	},
];

const DESCRIPTION = `
The resources of a gateway in front of PostgREST. PostgREST itself is below \`/rest/v1\`, the part of GoTrue's API that
supabase-js uses below \`/auth/v1\`: they are not described here.

Every error has the shape of PostgREST's: \`code\`, \`message\`, \`details\`, \`hint\`.
`.trim();

/** Credentials, and the header that each is sent in. */
const SECURITY_SCHEMES = {
	bearer: {
		type: "http",
		scheme: "bearer",
		bearerFormat: "JWT",
		description: "A token of Postern or of another issuer that it accepts.",
	},
	apiKey: {
		type: "apiKey",
		in: "header",
		name: "apikey",
		description:
			"A secret API key stands for its role; a publishable one stands for nobody, and may come with a bearer token.",
	},
} as const;

type Security = Partial<Record<keyof typeof SECURITY_SCHEMES, string[]>>[];

/** Who may call a route: any one of these credentials does. */
export const callers = {
	/** With or without credentials: the database decides what they see. */
	anyone: [{}, { bearer: [] }, { apiKey: [] }],
	/** Whoever may write. */
	writers: [{ bearer: [] }, { apiKey: [] }],
	/** A person who has signed in. */
	users: [{ bearer: [] }],
	/** Who has no credentials yet. */
	newcomers: [],
} satisfies Record<string, Security>;

/** A router that serves, at `path`, the description of all routes that `app` has by the time it is asked. */
export function describe(app: ReturnType<typeof createRouter>, path: string) {
	for (const [name, scheme] of Object.entries(SECURITY_SCHEMES)) {
		app.openAPIRegistry.registerComponent("securitySchemes", name, scheme);
	}
	app.doc31(path, {
		openapi: "3.1.0",
		info: {
			title: "Postern",
			version: "1",
			description: DESCRIPTION,
			license: {
				name: "Apache-2.0",
				url: "https://www.apache.org/licenses/LICENSE-2.0",
			},
		},
		// Relative to this document: whatever host it was fetched from.
		servers: [{ url: "/" }],
		tags: TAGS,
	});
}

/** PostgREST's error shape, which the gateway's own refusals share. */
const errorBody = z
	.object({
		code: z.string(),
		message: z.string(),
		details: z.string().nullable(),
		hint: z.string().nullable(),
	})
	.openapi("Error");

/** An answer of a route. */
export function answer<Schema extends z.ZodType>(
	description: string,
	schema: Schema,
) {
	return { description, content: { "application/json": { schema } } };
}

/** The answer of a route that created something. */
export function created<Schema extends z.ZodType>(schema: Schema) {
	return {
		...answer("Created", schema),
		headers: z.object({
			Location: z.string().openapi({ description: "Where it is found" }),
		}),
	};
}

/** A JSON body. */
export function body<Schema extends z.ZodType>(schema: Schema) {
	return {
		body: { required: true, content: { "application/json": { schema } } },
	} as const;
}

/** What any route refuses, whatever is asked. */
const COMMON: readonly RefusalCode[] = [
	"token_malformed",
	"token_rejected",
	"token_expired",
	"key_rejected",
	"credentials_conflict",
	"role_refused",
	"issuer_unreachable",
	"origin_unreachable",
	"origin_timeout",
	"internal_error",
];

/** What a route with a body refuses. */
export const OF_BODIES = [
	"body_malformed",
	"body_invalid",
	"body_too_large",
	"media_type_unsupported",
] as const satisfies RefusalCode[];

/** What a route refuses that not everybody may call. */
export const OF_CALLERS = [
	"unauthenticated",
	"denied",
] as const satisfies RefusalCode[];

/** What a route refuses about one thing, by its id. */
export const OF_IDS = [
	"parameter_invalid",
	"not_found",
] as const satisfies RefusalCode[];

/**
 * The answers of a route that refuses with these codes, besides those of every route.
 * Typed as none: a handler throws them, and never returns one.
 */
export function refusals(...codes: RefusalCode[]): Record<never, never> {
	const byStatus = Map.groupBy(
		[...new Set([...codes, ...COMMON])].map((code) => new Refusal(code)),
		({ status }) => status,
	);
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
