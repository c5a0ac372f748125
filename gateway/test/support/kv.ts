// Workers KV as a map that the test can read and change.
import type { Kv, Namespace } from "../../src/kv/sealed-values.ts";
import { ORIGIN_KEY } from "./tokens.ts";

export type MapNamespace = Namespace & { values: Map<string, ArrayBuffer> };

export function mapNamespace(): MapNamespace {
	const values = new Map<string, ArrayBuffer>();
	return {
		values,
		get: async (name) => values.get(name) ?? null,
		async put(name, value) {
			values.set(name, value);
		},
	};
}

/** A namespace with the secret that gateways under test have. */
export function kvOf(namespace: Namespace, kv: Partial<Kv> = {}): Kv {
	const secret = ORIGIN_KEY.privateJwk.d ?? "";
	return { namespace, secret, log() {}, ...kv };
}
