// The document at /openapi.json: the application's routes as they describe themselves.
import type { Hono } from "hono";
import { mergePath } from "hono/utils/url";
import type { InfoObject, OpenAPIObject, TagObject } from "openapi3-ts/oas31";
import { toComponents } from "./openapi-document.ts";
import type { GatewayEnv, Routes } from "./router.ts";
import { SECURITY_SCHEMES } from "./security-schemes.ts";

/** A router that describes its routes, as those of `createRouter` and of @hono/zod-openapi do. */
export interface Described {
	getOpenAPI31Document(head: OpenAPIObject): {
		paths?: object;
		components?: object;
	};
}

/** An application's words for the document's head. */
export interface OpenApiOptions {
	/** Replaces Postern's title, version and description, field by field. */
	info?: Partial<InfoObject>;
	/** Groups of routes, in the order in which they are shown. */
	tags?: TagObject[];
}

const DESCRIPTION = `
The resources of a gateway in front of PostgREST. PostgREST itself is below \`/rest/v1\`, the part of GoTrue's API that
supabase-js uses below \`/auth/v1\`: they are not described here.

Every error has the shape of PostgREST's: \`code\`, \`message\`, \`details\`, \`hint\`.
`.trim();

/** Serves, at `path`, the description of these routes. */
export function describe(
	app: Hono<GatewayEnv>,
	path: string,
	routes: Routes,
	{ info, tags }: OpenApiOptions,
) {
	const head: OpenAPIObject = {
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
		text ??= JSON.stringify(documentOf(routes, head), toComponents);
		return context.body(text, 200, { "Content-Type": "application/json" });
	});
}

/** One document of those of all routers. */
function documentOf(routes: Routes, head: OpenAPIObject) {
	const paths: Record<string, unknown> = {};
	const components: Record<string, Record<string, unknown>> = {
		securitySchemes: { ...SECURITY_SCHEMES },
	};
	for (const [mount, router] of Object.entries(routes)) {
		if (!isDescribed(router)) continue;
		const described = router.getOpenAPI31Document(head);
		for (const [path, item] of Object.entries(described.paths ?? {}))
			paths[mergePath(toTemplate(mount), path)] = item;
		for (const [kind, named] of Object.entries(described.components ?? {}))
			components[kind] = { ...components[kind], ...named };
	}
	return { ...head, components, paths };
}

function isDescribed(router: object): router is Described {
	return "getOpenAPI31Document" in router;
}

/** A path of Hono's, `/notes/:id`, as OpenAPI writes it: `/notes/{id}`. */
export function toTemplate(path: string): string {
	return path.replaceAll(/:([^/]+)/g, "{$1}");
}
