// The public entry `postern/client`. Nothing here has dependencies.
export { causal } from "./causal.ts";
export { type ExactlyOnceOptions, exactlyOnce } from "./exactly-once.ts";
