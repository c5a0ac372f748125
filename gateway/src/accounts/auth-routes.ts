// The part of GoTrue's API that supabase-js uses for passwords and sessions, below /auth/v1, with GoTrue's names and codes.
import type { JWK } from "jose";
import * as z from "zod/mini";
import { jsonBody, parse } from "../application/json-body.ts";
import { createPlainRouter } from "../application/router.ts";
import { emailAddress, fields, jsonObject, text } from "../http/fields.ts";
import { Refusal } from "../http/refusals.ts";
import type { User } from "./accounts.ts";
import type { UserSession } from "./caller-accounts.ts";
import {
	refuseGrant,
	refusePhone,
	unsupportedRoutes,
} from "./unsupported-routes.ts";

/**
 * U+0000 or half a surrogate pair in JSON, which has an even number of backslashes before an escape. JSON.stringify escapes
 * both, and Postgres can store neither.
 */
const UNSTORABLE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/;

/** As much as the database keeps. */
const MAX_METADATA_BYTES = 4_096;

/** An exponent beyond this writes a number longer than the metadata may be. */
const LARGE_EXPONENT = /[\d.]e[+-]?0*[1-9]\d{4,}\b/i;

const metadata = jsonObject().check(
	z.superRefine((object, context) => {
		const fault = faultOf(object);
		if (fault !== undefined) context.addIssue(fault);
	}),
);

function faultOf(object: object): string | undefined {
	let json: string;
	try {
		json = JSON.stringify(object);
	} catch {
		// A RangeError: no more than some thousands of levels fit the stack.
		return "is nested too deeply";
	}
	if (new TextEncoder().encode(json).length > MAX_METADATA_BYTES)
		return `has more than ${MAX_METADATA_BYTES} bytes`;
	if (UNSTORABLE.test(json))
		return "has a null character or is not well-formed Unicode";
	// Without its strings: what is left are numbers and punctuation.
	if (LARGE_EXPONENT.test(json.replaceAll(/"(?:[^"\\]|\\.)*"/g, "")))
		return `has a number that takes more than ${MAX_METADATA_BYTES} bytes`;
	return undefined;
}

const signUpBody = z.lazy(() =>
	atLeast({
		email: emailAddress(),
		password: text(300),
		data: z.nullish(metadata),
	}),
);
const passwordGrant = z.lazy(() =>
	atLeast({ email: text(300), password: text(300) }),
);
const refreshGrant = z.lazy(() => atLeast({ refresh_token: text(300) }));
/** What names a user in GoTrue's API. */
const identifiers = z.lazy(() =>
	atLeast({
		email: z.optional(z.unknown()),
		phone: z.optional(z.unknown()),
		password: z.optional(z.unknown()),
	}),
);
const userBody = z.lazy(() =>
	fields({
		email: z.optional(emailAddress()),
		password: z.optional(text(300)),
		current_password: z.optional(text(300)),
		data: z.optional(metadata),
		phone: z.optional(z.unknown()),
		nonce: z.optional(z.unknown()),
		// supabase-js sends these to be told of a confirmed e-mail address, which needs no confirmation here.
		code_challenge: z.optional(z.unknown()),
		code_challenge_method: z.optional(z.unknown()),
	}),
);
const signOutScope = z.lazy(() =>
	z._default(z.enum(["local", "global", "others"]), "global"),
);

/** The public name of a user who gave none. It shows nothing of the e-mail address, because every caller may read it. */
const NAMELESS = "New user";

/**
 * The routes below `/auth/v1`.
 * @param jwks public keys of the tokens that are signed here (RFC 7517)
 */
export function auth(jwks: { keys: JWK[] }) {
	const app = createPlainRouter();

	app.post("/signup", jsonBody, async (context) => {
		const given = await parse(identifiers, context);
		refusePhone(given.phone);
		if (given.email === undefined && given.password === undefined)
			throw new Refusal("anonymous_provider_disabled");
		const { email, password, data } = await parse(signUpBody, context);
		const userMetadata = data ?? {};
		const fullname = nameIn(userMetadata) ?? NAMELESS;
		return context.json(
			sessionAnswer(
				await context.var.accounts.signUp({
					email,
					password,
					fullname,
					userMetadata,
				}),
			),
		);
	});

	app.post("/token", jsonBody, async (context) => {
		const grantType = context.req.query("grant_type");
		switch (grantType) {
			case "password": {
				refusePhone((await parse(identifiers, context)).phone);
				const credentials = await parse(passwordGrant, context);
				return context.json(
					sessionAnswer(await context.var.accounts.signIn(credentials)),
				);
			}
			case "refresh_token": {
				const { refresh_token } = await parse(refreshGrant, context);
				return context.json(
					sessionAnswer(await context.var.accounts.refresh(refresh_token)),
				);
			}
			default:
				return refuseGrant(grantType);
		}
	});

	app.get("/user", async (context) =>
		context.json(userAnswer(await context.var.accounts.getUser())),
	);

	app.put("/user", jsonBody, async (context) => {
		const { email, password, current_password, data, phone, nonce } =
			await parse(userBody, context);
		refusePhone(phone);
		if (nonce !== undefined && nonce !== null && nonce !== "")
			throw new Refusal("reauthentication_not_valid");
		const user = await context.var.accounts.updateUser({
			email,
			password,
			current_password,
			fullname: data === undefined ? undefined : nameIn(data),
			user_metadata: data,
		});
		return context.json(userAnswer(user));
	});

	app.post("/logout", async (context) => {
		const scope = signOutScope.safeParse(context.req.query("scope"));
		if (!scope.success) {
			throw new Refusal("parameter_invalid", {
				details: "scope has to be local, global or others",
			});
		}
		await context.var.accounts.signOut(scope.data);
		return context.body(null, 204);
	});

	app.get("/.well-known/jwks.json", (context) => context.json(jwks));
	app.get("/settings", (context) => context.json(SETTINGS));
	app.get("/health", (context) =>
		context.json({ name: "Postern", description: "GoTrue's password subset" }),
	);
	app.route("/", unsupportedRoutes());

	return app;
}

/** In place of `auth` where the gateway signs no tokens. */
export function issuingOff() {
	const router = createPlainRouter();
	router.all("/*", () => {
		throw new Refusal("issuing_off");
	});
	return router;
}

/** Accepts further fields, such as captcha and PKCE, and ignores them: Postern has neither. */
function atLeast<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
	return z.looseObject(shape, "has to be an object");
}

/** The display name among the metadata, under the names that clients use. */
function nameIn(data: Record<string, unknown>): string | undefined {
	const name = data.fullname ?? data.full_name ?? data.name;
	return typeof name === "string" && name.trim() !== ""
		? // By code points: half a surrogate pair is no text.
			[...name].slice(0, 300).join("")
		: undefined;
}

/** A session in GoTrue's shape. */
function sessionAnswer({ user, accessToken, refreshToken }: UserSession) {
	return {
		access_token: accessToken.token,
		token_type: "bearer",
		expires_in: accessToken.lifetimeSeconds,
		expires_at: accessToken.expiresAt,
		refresh_token: refreshToken,
		user: userAnswer(user),
	};
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

/** Tells GoTrue's clients how users may sign in. */
const SETTINGS = {
	external: { email: true, phone: false, anonymous_users: false },
	disable_signup: false,
	mailer_autoconfirm: true,
	phone_autoconfirm: false,
	sms_provider: "",
	saml_enabled: false,
};
