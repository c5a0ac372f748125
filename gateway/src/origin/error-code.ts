// Where PostgREST names the code of an error: PostgREST 13 and later in Proxy-Status, every version in the body. The answer of 12 to
// a HEAD names it nowhere.

export interface PostgrestErrorBody {
	readonly code: string;
	readonly message: string;
	readonly details: string | null;
}

export function codeInHead(headers: Headers): string | undefined {
	return /\berror=(\w+)/.exec(headers.get("proxy-status") ?? "")?.[1];
}

/** @returns undefined where the body is not an object in JSON with a code that is text */
export function errorIn(body: ArrayBuffer): PostgrestErrorBody | undefined {
	try {
		const error = JSON.parse(new TextDecoder().decode(body));
		return typeof error?.code === "string" ? error : undefined;
	} catch {
		return undefined;
	}
}
