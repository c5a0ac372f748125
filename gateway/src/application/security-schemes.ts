// How callers name themselves, for OpenAPI.

/** Credentials, and the header that each is sent in. */
export const SECURITY_SCHEMES = {
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
			"A secret API key gives its role. A publishable key gives none, and may come with a bearer token.",
	},
} as const;
