// What moves on a page by itself: the hands of a clock, a pet that breathes. Browsers style, lay out and paint a frame for most of it,
// sixty times a second, seen or not.

/** Every tree of a document or an element: its own, and those of the shadow roots in it. */
function* trees(root) {
  yield root
  for (const element of root.querySelectorAll("*")) if (element.shadowRoot) yield* trees(element.shadowRoot)
}

/**
 * Lets what moves there rest. Answers how it goes on: as if it had never rested, so that a clock is right. (From then on a sheet's
 * animation-play-state says nothing to it any more.)
 */
export function hush(root) {
  const all = [...trees(root)].flatMap((tree) => tree.getAnimations({ subtree: true }))
  const moving = all.filter((animation) => animation instanceof CSSAnimation && animation.playState === "running")
  const began = moving.map(({ startTime }) => startTime)
  for (const animation of moving) animation.pause()
  return () =>
    moving.forEach((animation, nth) => {
      // What a change took its animation from meanwhile has none to go on with.
      if (animation.playState !== "paused") return
      if (began[nth] === null) animation.play()
      else animation.startTime = began[nth]
    })
}
