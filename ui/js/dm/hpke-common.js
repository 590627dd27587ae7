// What @hpke/core takes from @hpke/common, without the curves and hashes that browsers have built in. The import map of pages
// that need it (`import_map()` in templates) leads "@hpke/common" here.
export * from "/static/v/vendor/hpke-common-1.10.1/src/errors.js"
export * from "/static/v/vendor/hpke-common-1.10.1/src/consts.js"
export * from "/static/v/vendor/hpke-common-1.10.1/src/identifiers.js"
export { NativeAlgorithm } from "/static/v/vendor/hpke-common-1.10.1/src/algorithm.js"
export { AEAD_USAGES } from "/static/v/vendor/hpke-common-1.10.1/src/interfaces/aeadEncryptionContext.js"
export { KEM_USAGES, LABEL_DKP_PRK, LABEL_SK } from "/static/v/vendor/hpke-common-1.10.1/src/interfaces/dhkemPrimitives.js"
export { HkdfSha256Native, toArrayBuffer, toUint8Array } from "/static/v/vendor/hpke-common-1.10.1/src/kdfs/hkdf.js"
export { Dhkem } from "/static/v/vendor/hpke-common-1.10.1/src/kems/dhkem.js"
export { base64UrlToBytes, i2Osp, xor } from "/static/v/vendor/hpke-common-1.10.1/src/utils/misc.js"
