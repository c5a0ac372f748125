// Routes in the words of OpenAPI 3.1. What zod says of the schemas is put in its places here.
import * as z from "zod/mini";
import type { Content, RouteConfig } from "./route-types.ts";

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** Schemas by the `id` that they are registered with. */
type Components = Record<string, JsonSchema>;

/** Where the parts of a request are. */
const PLACES = {
	params: "path",
	query: "query",
	headers: "header",
	cookies: "cookie",
} as const;

/** The paths of these routes, and the schemas that they refer to. */
export function describeRoutes(routes: readonly RouteConfig[]) {
	const paths: Record<string, Record<string, unknown>> = {};
	const taken: Components = {};
	const answered: Components = {};
	for (const { path, method, request = {}, responses, ...route } of routes) {
		const { hide, middleware, ...words } = route;
		const answers = Object.entries(responses).map(([status, answer]) => [
			status,
			described(answer, "output", answered),
		]);
		paths[path] = {
			...paths[path],
			[method]: {
				...words,
				parameters: parametersOf(request, taken),
				...(request.body && {
					requestBody: {
						...described(request.body, "input", taken),
						required: true,
					},
				}),
				responses: Object.fromEntries(answers),
			},
		};
	}
	// A schema that one route answers and another takes is described as it is taken.
	return { paths, components: { schemas: { ...answered, ...taken } } };
}

function parametersOf(
	request: NonNullable<RouteConfig["request"]>,
	components: Components,
) {
	return Object.entries(PLACES).flatMap(([part, place]) => {
		const schema = request[part as keyof typeof PLACES];
		// Without an id that it may have: parameters are described one by one.
		const object = z.object(schema?._zod.def.shape);
		const { properties = {}, required } = toJson(object, "input", components);
		return Object.entries(properties).map(([name, property]) => {
			const { description, ...value } = property as JsonSchema;
			return {
				name,
				in: place,
				required: required?.includes(name) ?? false,
				...(description !== undefined && { description }),
				schema: value,
			};
		});
	});
}

/** A body, with its schemas in JSON. */
function described<Body extends { content?: Content }>(
	{ content, ...words }: Body,
	io: "input" | "output",
	components: Components,
) {
	const media = Object.entries(content ?? {}).map(
		([type, { schema, ...rest }]) => [
			type,
			{
				...rest,
				schema: isZod(schema) ? toJson(schema, io, components) : schema,
			},
		],
	);
	return content ? { ...words, content: Object.fromEntries(media) } : words;
}

/** The schema in JSON, or a reference to it, if it has an `id`. Adds those that it refers to. */
function toJson(
	schema: z.core.$ZodType,
	io: "input" | "output",
	components: Components,
): JsonSchema {
	const { $schema, $defs, ...json } = z.toJSONSchema(schema, {
		io,
		override: shorten,
		// A Date, or what a transform makes, may be anything to a reader.
		unrepresentable: "any",
	});
	Object.assign(components, $defs);
	return json;
}

/** Leaves out what a reader knows from the rest. */
function shorten({
	zodSchema,
	jsonSchema,
}: {
	zodSchema: z.core.$ZodTypes;
	jsonSchema: JsonSchema;
}) {
	const { def } = zodSchema._zod;
	// Another version may answer more fields.
	if (def.type === "object" && def.catchall === undefined)
		delete jsonSchema.additionalProperties;
	if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
	if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
	if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
}

/** Refers to schemas where OpenAPI has them, and not where JSON Schema does. */
export function toComponents(key: string, value: unknown): unknown {
	return key === "$ref" && typeof value === "string"
		? value.replace("#/$defs/", "#/components/schemas/")
		: value;
}

export function isZod(schema: object): schema is z.core.$ZodType {
	return "_zod" in schema;
}
