// The refusals of accounts, by the codes that clients of GoTrue know: a part of the table in http/refusals.ts.
export const ACCOUNT_REFUSALS = {
	invalid_credentials: {
		status: 400,
		message: "The e-mail address or the password is wrong",
	},
	user_already_exists: {
		status: 409,
		message: "There is a user with this e-mail address already",
	},
	email_exists: {
		status: 422,
		message: "Another user has this e-mail address",
	},
	weak_password: {
		status: 422,
		message: "The password cannot be used",
	},
	same_password: {
		status: 422,
		message: "The new password is the old one",
	},
	current_password_invalid: {
		status: 400,
		message: "The current password is wrong",
	},
	reauthentication_not_valid: {
		status: 422,
		message: "There is no reauthentication, so no nonce is valid",
	},
	session_not_found: {
		status: 403,
		message: "The session has ended; sign in again",
	},
	refresh_token_not_found: {
		status: 400,
		message: "The refresh token is not known",
	},
	refresh_token_already_used: {
		status: 400,
		message: "The refresh token is an old one; its session has ended",
	},
	anonymous_provider_disabled: {
		status: 422,
		message: "There are no anonymous users; sign up with an e-mail address",
	},
	phone_provider_disabled: {
		status: 422,
		message: "Users have no phone numbers",
	},
	otp_disabled: {
		status: 422,
		message: "No e-mails and no text messages are sent",
	},
	provider_disabled: {
		status: 400,
		message: "Signing in with another provider is not supported",
	},
	web3_provider_disabled: {
		status: 422,
		message: "Signing in with a wallet is not supported",
	},
	saml_provider_disabled: {
		status: 404,
		message: "Single sign-on is not supported",
	},
	passkey_disabled: { status: 404, message: "Passkeys are not supported" },
	manual_linking_disabled: {
		status: 404,
		message: "A user's identities cannot be linked",
	},
	flow_state_not_found: {
		status: 404,
		message: "No sign-in has begun that this code could finish",
	},
	mfa_totp_enroll_not_enabled: {
		status: 422,
		message: "Second factors are not supported",
	},
	mfa_phone_enroll_not_enabled: {
		status: 422,
		message: "Second factors are not supported",
	},
	mfa_webauthn_enroll_not_enabled: {
		status: 422,
		message: "Second factors are not supported",
	},
	mfa_factor_not_found: {
		status: 404,
		message: "No user has a second factor",
	},
	feature_disabled: {
		status: 404,
		message: "This part of GoTrue's API is not supported",
	},
} as const;
