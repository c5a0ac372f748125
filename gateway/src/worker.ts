// `postern/worker`: the Worker that needs no code. `"main": "node_modules/postern/dist/worker.js"` in wrangler.jsonc is enough.
import { createPostern } from "./index.ts";

export { CallerLimits, ChangeFeed } from "./index.ts";

export default createPostern();
