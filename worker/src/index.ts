// This repository's Worker: the gateway with the example's routes.
import { createPostern } from "../../gateway/src/index.ts";
import { routes } from "./routes/index.ts";

export { ChangeFeed } from "../../gateway/src/index.ts";

export default createPostern({ routes });
