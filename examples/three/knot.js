// title: Knot
// about: A toon material, and an outline by turning a shape inside out.
//
// A knot. A tube along a line that winds twice round one way while it winds
// three times round the other. A toon material shades in steps, like a print
// with few inks; the outline is the same knot once more, a little fatter and
// turned inside out.
//
// Change: thick, turn (turns a minute).
import * as THREE from "three"

neo.param("thick", 0.42, { min: 0.1, max: 0.7, step: 0.02 })
neo.param("turn", 4, { min: 0, max: 30, step: 1 })

const scene = new THREE.Scene()
scene.background = new THREE.Color("#fb542e")
const camera = new THREE.PerspectiveCamera(45, 1, 0.1, 50)
camera.position.z = 6.5
const lamp = new THREE.DirectionalLight("#ffffff", 3)
lamp.position.set(2, 4, 5)
scene.add(lamp, new THREE.AmbientLight("#ffffff", 0.6))

// Three shades, without blending between them.
const shades = new THREE.DataTexture(new Uint8Array([70, 160, 255]), 3, 1, THREE.RedFormat)
shades.needsUpdate = true
const paint = new THREE.MeshToonMaterial({ color: "#51ee8c", gradientMap: shades })
const line = new THREE.MeshBasicMaterial({ color: "#151525", side: THREE.BackSide })
const knot = new THREE.Group()
scene.add(knot)
let built

function build() {
  for (const part of knot.children) part.geometry.dispose()
  knot.clear()
  knot.add(new THREE.Mesh(new THREE.TorusKnotGeometry(1.5, neo.params.thick, 110, 14), paint))
  knot.add(new THREE.Mesh(new THREE.TorusKnotGeometry(1.5, neo.params.thick + 0.05, 110, 14), line))
  built = neo.params.thick
}

const renderer = new THREE.WebGLRenderer({ antialias: true })
document.body.append(renderer.domElement)
function fit() {
  camera.aspect = neo.width / neo.height
  camera.updateProjectionMatrix()
  renderer.setSize(neo.width, neo.height)
}
neo.on("resize", fit)
fit()

renderer.setAnimationLoop((time) => {
  if (built !== neo.params.thick) build()
  knot.rotation.set(time / 4000, (time / 60_000) * neo.params.turn * Math.PI * 2, 0)
  renderer.render(scene, camera)
})
