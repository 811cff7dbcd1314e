import { setNonce } from "get-nonce";

/** What style elements must carry to be let in by the page's policy: see doc.go. */
export const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";

// Mantine's modals hold the page still with a style element of another library, which asks get-nonce.
setNonce(nonce);
