// HPKE, as the authors of @hpke/core publish it: of their modules those that suite 1 needs. What they import as
// "@hpke/common" the page's import map leads to hpke-common.js.
export { HkdfSha256Native } from "./hpke-common.js"
export { Aes256Gcm } from "/static/v/vendor/hpke-core-1.9.0/aeads/aesGcm.js"
export { CipherSuiteNative } from "/static/v/vendor/hpke-core-1.9.0/cipherSuiteNative.js"
export { DhkemX25519HkdfSha256 } from "/static/v/vendor/hpke-core-1.9.0/kems/dhkemX25519.js"
