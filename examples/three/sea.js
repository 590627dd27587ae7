// title: Sea of blocks
// about: Some hundred blocks in one call.
//
// A sea. Some hundred blocks, and one single call to draw them all: an
// InstancedMesh has one shape, one material and a list of places. Each
// block's height is two sines that run in different directions.
//
// Change: swell (how high), speed.
import * as THREE from "three"

neo.param("swell", 0.8, { min: 0, max: 2, step: 0.1 })
neo.param("speed", 1, { min: 0, max: 4, step: 0.1 })
const ACROSS = 13

const scene = new THREE.Scene()
scene.background = new THREE.Color("#0d0f2a")
const camera = new THREE.PerspectiveCamera(35, 1, 0.1, 100)
camera.position.set(15, 13, 15)
camera.lookAt(0, -1, 0)
scene.add(new THREE.HemisphereLight("#ffffff", "#213cd8", 1.4))
const sun = new THREE.DirectionalLight("#ffffff", 2)
sun.position.set(6, 9, -2)
scene.add(sun)

const block = new THREE.BoxGeometry(1.05, 3, 1.05)
const blocks = new THREE.InstancedMesh(block, new THREE.MeshLambertMaterial(), ACROSS * ACROSS)
scene.add(blocks)
const place = new THREE.Matrix4()
const low = new THREE.Color("#213cd8")
const crest = new THREE.Color("#51ee8c")
const ink = new THREE.Color()

function wave(time) {
  for (let i = 0; i < ACROSS * ACROSS; i++) {
    const x = (i % ACROSS) - ACROSS / 2 + 0.5
    const z = Math.floor(i / ACROSS) - ACROSS / 2 + 0.5
    const height = Math.sin(x / 2.6 + time) + Math.sin(z / 3.4 - time * 0.7 + x / 9)
    blocks.setMatrixAt(i, place.makeTranslation(x * 1.17, (height * neo.params.swell) / 2, z * 1.17))
    blocks.setColorAt(i, ink.lerpColors(low, crest, Math.round((height + 2) * 1.25) / 5))
  }
  blocks.instanceMatrix.needsUpdate = true
  blocks.instanceColor.needsUpdate = true
}

const renderer = new THREE.WebGLRenderer()
document.body.append(renderer.domElement)
function fit() {
  camera.aspect = neo.width / neo.height
  camera.updateProjectionMatrix()
  renderer.setSize(neo.width, neo.height)
}
neo.on("resize", fit)
fit()

renderer.setAnimationLoop((time) => {
  wave((time / 1000) * neo.params.speed)
  renderer.render(scene, camera)
})
