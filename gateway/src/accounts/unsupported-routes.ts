// The parts of GoTrue's API that Postern does not have. Each refuses with the code that supabase-js and its users know.
import * as z from "zod/mini";
import { jsonBody, parse } from "../application/json-body.ts";
import { createPlainRouter } from "../application/router.ts";
import { Refusal, type RefusalCode } from "../http/refusals.ts";

const UNSUPPORTED: Record<string, RefusalCode> = {
	"/otp": "otp_disabled",
	"/magiclink": "otp_disabled",
	"/verify": "otp_disabled",
	"/resend": "otp_disabled",
	"/recover": "otp_disabled",
	"/reauthenticate": "otp_disabled",
	"/authorize": "provider_disabled",
	"/callback": "provider_disabled",
	"/sso/*": "saml_provider_disabled",
	"/passkeys/*": "passkey_disabled",
	"/user/identities/*": "manual_linking_disabled",
	"/factors/*": "mfa_factor_not_found",
	"/user/oauth/*": "feature_disabled",
	"/oauth/*": "feature_disabled",
	"/admin/*": "feature_disabled",
	"/invite": "feature_disabled",
};

/** The refusals of `POST /token` by `grant_type`. */
const GRANTS: Record<string, RefusalCode> = {
	pkce: "flow_state_not_found",
	id_token: "provider_disabled",
	web3: "web3_provider_disabled",
};

const factorBody = z.lazy(() =>
	z.looseObject(
		{
			factor_type: z.enum(
				["totp", "phone", "webauthn"],
				"has to be totp, phone or webauthn",
			),
		},
		"has to be an object",
	),
);

/** Mounted besides the routes of `auth`. */
export function unsupportedRoutes() {
	const app = createPlainRouter();
	app.post("/factors", jsonBody, async (context) => {
		const { factor_type } = await parse(factorBody, context);
		throw new Refusal(`mfa_${factor_type}_enroll_not_enabled`);
	});
	for (const [path, code] of Object.entries(UNSUPPORTED)) {
		app.all(path, () => {
			throw new Refusal(code);
		});
	}
	return app;
}

/** @param grantType one that Postern does not have */
export function refuseGrant(grantType = ""): never {
	const code = Object.hasOwn(GRANTS, grantType) ? GRANTS[grantType] : undefined;
	throw code === undefined
		? new Refusal("parameter_invalid", {
				details: "grant_type has to be password or refresh_token",
			})
		: new Refusal(code);
}

/** Refuses the ways of naming a user that Postern does not have. Clients send an empty phone number for none. */
export function refusePhone(phone: unknown): void {
	if (phone !== undefined && phone !== null && phone !== "")
		throw new Refusal("phone_provider_disabled");
}
