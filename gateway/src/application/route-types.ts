// The types of a route that describes itself: what it is given, and what its handler gets and may answer because of that.
import type {
	Env,
	Handler,
	Hono,
	Input,
	MiddlewareHandler,
	Schema,
	ToSchema,
	TypedResponse,
} from "hono";
import type { MergePath } from "hono/types";
import type { StatusCode } from "hono/utils/http-status";
import type { JSONParsed } from "hono/utils/types";
import type {
	MediaTypeObject,
	OperationObject,
	ReferenceObject,
	RequestBodyObject,
	ResponseObject,
	SchemaObject,
} from "openapi3-ts/oas31";
import type { core } from "zod/mini";

/** A body, by its media types. */
export type Content = Record<string, Media>;

interface Media extends Omit<MediaTypeObject, "schema"> {
	/** A schema in JSON describes, and checks nothing. */
	schema: core.$ZodType | SchemaObject | ReferenceObject;
}

/** An answer of a route. */
interface Answer extends Omit<ResponseObject, "content"> {
	content?: Content;
}

/** A route, and what it says of itself. */
export interface RouteConfig
	extends Omit<OperationObject, "parameters" | "requestBody" | "responses"> {
	method: "get" | "put" | "post" | "delete" | "options" | "head" | "patch";
	/** Below that of its router. A parameter is `{id}`. */
	path: string;
	/** Schemas of what it takes. A request that does not fit is refused. */
	request?: {
		params?: core.$ZodObject;
		query?: core.$ZodObject;
		headers?: core.$ZodObject;
		cookies?: core.$ZodObject;
		/** One without it is refused. */
		body?: Omit<RequestBodyObject, "content" | "required"> & {
			content: Content;
			required?: true;
		};
	};
	/** Its answers by status, or `default`. */
	responses: Record<number | string, Answer>;
	/** Leaves it out of /openapi.json. */
	hide?: boolean;
	/** Runs before its handler. */
	middleware?: MiddlewareHandler | MiddlewareHandler[];
}

/** Hono's router, with routes that describe themselves. */
export interface OpenApiRouter<
	Own extends Env,
	Routes extends Schema = Nothing,
	Base extends string = "/",
> extends Hono<Own, Routes, Base> {
	openapi<
		Route extends RouteConfig,
		Taken extends Input = InputOf<Route["request"]>,
		Path extends string = HonoPath<Route["path"]>,
	>(
		route: Route,
		handler: Handler<
			EnvOf<Route["middleware"]> & Own,
			Path,
			Taken,
			Promised<HandlerAnswer<Route["responses"]>>
		>,
	): OpenApiRouter<
		Own,
		Routes &
			ToSchema<
				Route["method"],
				MergePath<Base, Path>,
				Taken,
				AnswerOf<Route["responses"]>
			>,
		Base
	>;
}

type Promised<Value> = Value | Promise<Value>;

/** `/notes/{id}` as `/notes/:id`. */
type HonoPath<Path extends string> =
	Path extends `${infer Start}/{${infer Name}}${infer Rest}`
		? `${Start}/:${Name}${HonoPath<Rest>}`
		: Path;

/** What the handler finds by `context.req.valid`. */
type InputOf<Request> = PartOf<Request, "params", "param"> &
	PartOf<Request, "query", "query"> &
	PartOf<Request, "headers", "header"> &
	PartOf<Request, "cookies", "cookie"> &
	(Request extends { body: { content: JsonOf<infer Body> } }
		? Valid<"json", Body>
		: Nothing);

type PartOf<Request, Part extends string, Target extends string> =
	Request extends Record<Part, infer Taken extends core.$ZodType>
		? Valid<Target, Taken>
		: Nothing;

type Nothing = Record<never, never>;

interface Valid<Target extends string, Taken extends core.$ZodType> {
	in: Record<Target, core.input<Taken>>;
	out: Record<Target, core.output<Taken>>;
}

interface JsonOf<Value extends core.$ZodType> {
	"application/json": { schema: Value };
}

/** An answer without a described body may be any. */
type HandlerAnswer<Answers> =
	| AnswerOf<Answers>
	| (Answers extends Record<keyof Answers, { content: Content }>
			? never
			: Response);

type AnswerOf<Answers> = {
	[Status in keyof Answers & StatusCode]: Answers[Status] extends {
		content: infer Body;
	}
		? Body extends JsonOf<infer Value>
			? TypedResponse<JSONParsed<core.output<Value>>, Status, "json">
			: Response
		: TypedResponse<unknown, Status, string>;
}[keyof Answers & StatusCode];

/** What a route's middleware gives the handler. */
type EnvOf<Middleware> =
	Middleware extends MiddlewareHandler<infer Given>
		? Given
		: Middleware extends [infer First, ...infer Rest]
			? EnvOf<First> & EnvOf<Rest>
			: unknown;
