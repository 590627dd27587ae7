import { foldName, Refused } from "./derive.js"

// Brings the keys for direct messages to this device, or makes the first ones. Coming in doesn't hang on it: where that fails, /dm
// finds a device without keys, asks for the password, and says what is wrong.
export async function bringKeys(name, wrap) {
  try {
    const { enter } = await import("../dm/account.js")
    await enter(foldName(name), wrap)
  } catch (error) {
    // A browser that lacks what it takes says so with a DOMException.
    if (!(error instanceof Refused || error instanceof DOMException || error instanceof TypeError)) throw error
  }
}
