// The part of GoTrue's API that supabase-js uses for passwords and sessions, below /auth/v1, with GoTrue's names and codes.
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { JWK } from "jose";
import { Refusal } from "../http/refusals.ts";
import {
	createRouter,
	emailAddress,
	type GatewayEnv,
	jsonBody,
	parse,
	text,
} from "../http/router.ts";
import type { Pipeline } from "../pipeline.ts";
import type { Accounts, SessionOf, SignedIn, User } from "./accounts.ts";
import type { Issue } from "./issue-token.ts";

/** What signing up, in and out needs. */
export interface Authentication {
	/** The users' accounts, asked through a request's own pipeline. */
	accounts: (pipeline: Pipeline) => Accounts;
	issue: Issue;
	/** `iss` of the tokens that `issue` signs: only they have a session here. */
	issuer: string;
	/** Public keys of those tokens (RFC 7517). */
	jwks: { keys: JWK[] };
}

/**
 * U+0000 or half a surrogate pair in JSON, which has an even number of backslashes before an escape. JSON.stringify escapes
 * both, and Postgres can store neither.
 */
const UNSTORABLE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/;

const metadata = z
	.record(z.string(), z.unknown(), "has to be an object")
	.refine(
		(object) => !UNSTORABLE.test(JSON.stringify(object)),
		"has a null character or is not well-formed Unicode",
	);

const signUpBody = atLeast({
	email: emailAddress(),
	password: text(300),
	data: metadata.nullish(),
});
const passwordGrant = atLeast({ email: text(300), password: text(300) });
const refreshGrant = atLeast({ refresh_token: text(300) });
const userBody = atLeast({
	email: emailAddress().optional(),
	password: text(300).optional(),
	data: metadata.optional(),
});
const sessionClaims = z.looseObject({ sub: z.guid(), session_id: z.guid() });
const signOutScope = z.enum(["local", "global", "others"]).default("global");

/** The public name of who gave none. Nothing of the e-mail address: everybody may read it. */
const NAMELESS = "New user";

/** The routes below `/auth/v1`. */
export function auth(authentication: Authentication) {
	const { accounts, issue, jwks } = authentication;
	const app = createRouter();

	app.post("/signup", jsonBody, async (context) => {
		const { email, password, data } = await parse(signUpBody, context);
		const userMetadata = data ?? {};
		const fullname = nameIn(userMetadata) ?? NAMELESS;
		const signedIn = await accounts(context.var.pipeline).signUp(
			{ email, password, fullname, userMetadata },
			callerAddress(context),
		);
		return context.json(await sessionAnswer(signedIn));
	});

	app.post("/token", jsonBody, async (context) => {
		switch (context.req.query("grant_type")) {
			case "password": {
				const credentials = await parse(passwordGrant, context);
				const signedIn = await accounts(context.var.pipeline).signIn(
					credentials,
					callerAddress(context),
				);
				return context.json(await sessionAnswer(signedIn));
			}
			case "refresh_token": {
				const { refresh_token } = await parse(refreshGrant, context);
				const signedIn = await accounts(context.var.pipeline).refresh(
					refresh_token,
					callerAddress(context),
				);
				return context.json(await sessionAnswer(signedIn));
			}
			default:
				throw new Refusal("parameter_invalid", {
					details: "grant_type has to be password or refresh_token",
				});
		}
	});

	app.get("/user", async (context) =>
		context.json(
			userAnswer(
				await accounts(context.var.pipeline).getUser(session(context)),
			),
		),
	);

	app.put("/user", jsonBody, async (context) => {
		const { email, password, data } = await parse(userBody, context);
		const user = await accounts(context.var.pipeline).updateUser(
			session(context),
			{
				email,
				password,
				fullname: data === undefined ? undefined : nameIn(data),
				user_metadata: data,
			},
		);
		return context.json(userAnswer(user));
	});

	app.post("/logout", async (context) => {
		const scope = signOutScope.safeParse(context.req.query("scope"));
		if (!scope.success) {
			throw new Refusal("parameter_invalid", {
				details: "scope has to be local, global or others",
			});
		}
		await accounts(context.var.pipeline).signOut(session(context), scope.data);
		return context.body(null, 204);
	});

	app.get("/.well-known/jwks.json", (context) => context.json(jwks));
	app.get("/settings", (context) => context.json(SETTINGS));
	app.get("/health", (context) =>
		context.json({ name: "Postern", description: "GoTrue's password subset" }),
	);

	return app;

	function session(context: Context<GatewayEnv>): SessionOf {
		return sessionOf(context, authentication.issuer);
	}

	async function sessionAnswer({ user, session }: SignedIn) {
		const { token, expiresAt, lifetimeSeconds } = await issue(user, session.id);
		return {
			access_token: token,
			token_type: "bearer",
			expires_in: lifetimeSeconds,
			expires_at: expiresAt,
			refresh_token: session.refresh_token,
			user: userAnswer(user),
		};
	}
}

/** The client sends more than these (captcha, PKCE), which Postern does not have: it is ignored. */
function atLeast<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
	return z.looseObject(shape, "has to be an object");
}

/** Which session the caller's access token belongs to. A token of another issuer has none. */
export function sessionOf(
	context: Context<GatewayEnv>,
	issuer: string,
): SessionOf {
	const { iss, ...claims } = context.var.identity.claims;
	const { data } = sessionClaims.safeParse(claims);
	if (iss !== issuer || data === undefined) {
		throw new Refusal("unauthenticated");
	}
	return { userId: data.sub, sessionId: data.session_id };
}

/** Where the request came from. Cloudflare sets this header, whatever the client sent. */
export function callerAddress(context: Context): string {
	return context.req.header("cf-connecting-ip") ?? "unknown";
}

/** The display name among the metadata, under the names that clients use. */
function nameIn(data: Record<string, unknown>): string | undefined {
	const name = data.fullname ?? data.full_name ?? data.name;
	return typeof name === "string" && name.trim() !== ""
		? // By code points: half a surrogate pair is no text.
			[...name].slice(0, 300).join("")
		: undefined;
}

/** A user in GoTrue's shape. An e-mail is confirmed by being given: Postern sends none. */
function userAnswer(user: User) {
	return {
		id: user.id,
		aud: "authenticated",
		role: "authenticated",
		email: user.email,
		email_confirmed_at: user.created_at,
		confirmed_at: user.created_at,
		phone: "",
		last_sign_in_at: user.last_sign_in_at,
		app_metadata: { provider: "email", providers: ["email"] },
		user_metadata: user.user_metadata,
		identities: [],
		created_at: user.created_at,
		updated_at: user.updated_at,
		is_anonymous: false,
	};
}

/** What GoTrue's clients ask to learn which ways of signing in there are. */
const SETTINGS = {
	external: { email: true, phone: false, anonymous_users: false },
	disable_signup: false,
	mailer_autoconfirm: true,
	phone_autoconfirm: false,
	sms_provider: "",
	saml_enabled: false,
};
