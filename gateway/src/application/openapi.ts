// The document at /openapi.json: the application's routes as they describe themselves.
import type { OpenAPIHono } from "@hono/zod-openapi";
import { SECURITY_SCHEMES } from "./route-parts.ts";
import type { GatewayEnv } from "./router.ts";

type Document = Parameters<OpenAPIHono["getOpenAPI31Document"]>[0];

/** An application's words for the document's head. */
export interface OpenApiOptions {
	/** Replaces Postern's title, version and description, field by field. */
	info?: Partial<Document["info"]>;
	/** Groups of routes, in the order in which they are shown. */
	tags?: NonNullable<Document["tags"]>;
}

const DESCRIPTION = `
The resources of a gateway in front of PostgREST. PostgREST itself is below \`/rest/v1\`, the part of GoTrue's API that
supabase-js uses below \`/auth/v1\`: they are not described here.

Every error has the shape of PostgREST's: \`code\`, \`message\`, \`details\`, \`hint\`.
`.trim();

/** Serves, at `path`, the description of all routes that `app` has by the time it is first asked. */
export function describe(
	app: OpenAPIHono<GatewayEnv>,
	path: string,
	{ info, tags }: OpenApiOptions,
) {
	for (const [name, scheme] of Object.entries(SECURITY_SCHEMES)) {
		app.openAPIRegistry.registerComponent("securitySchemes", name, scheme);
	}
	const options: Document = {
		openapi: "3.1.0",
		info: {
			title: "Postern",
			version: "1",
			description: DESCRIPTION,
			...info,
		},
		// Relative to this document, so it works on every host.
		servers: [{ url: "/" }],
		...(tags && { tags }),
	};
	/** Made once: it takes milliseconds of CPU, and anybody may ask for it. */
	let text: string | undefined;
	app.get(path, (context) => {
		text ??= JSON.stringify(app.getOpenAPI31Document(options));
		return context.body(text, 200, { "Content-Type": "application/json" });
	});
}
