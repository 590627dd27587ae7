/** Shows a member on an `.avatar`, as templates/face.html does: two letters on a plate of their colour, over it their picture if they have one. */
export function show(plate, name, colour, avatar) {
  for (const old of [...plate.classList]) if (old.startsWith("plate-")) plate.classList.remove(old)
  plate.classList.add(`plate-${colour}`)
  const address = avatar && `/media/${avatar}/small`
  const picture = plate.querySelector("img")
  if (address && picture?.getAttribute("src") === address) return
  plate.textContent = name.slice(0, 2)
  if (address) plate.append(Object.assign(document.createElement("img"), { src: address, alt: "", width: 32, height: 32, decoding: "async" }))
}

// A picture that is gone leaves the plate.
document.addEventListener("error", ({ target }) => target.matches?.(".avatar > img, .face > img") && (target.closest(".face") ?? target).remove(), true)
