// title: Galaxy
// about: Three thousand points on four arms.
//
// A galaxy. Three thousand points, placed once: far from the middle more of
// them are scattered, and each arm is wound up the further out it is. The
// points never move by themselves; the whole turns.
//
// Change: wind (how far the arms are wound), turn (turns a minute).
import * as THREE from "three"

neo.param("wind", 3.2, { min: 0, max: 9, step: 0.1 })
neo.param("turn", 2, { min: 0, max: 20, step: 0.5 })
const MANY = 3000
const ARMS = 4

const scene = new THREE.Scene()
scene.background = new THREE.Color("#0d0f2a")
const camera = new THREE.PerspectiveCamera(50, 1, 0.1, 100)
camera.position.set(0, 5.2, 8.5)
camera.lookAt(0, -0.4, 0)

// Two throws of the dice, added: mostly near the middle.
const aside = () => Math.random() + Math.random() - 1
const grains = Array.from({ length: MANY }, () => ({
  out: 0.15 + Math.random() ** 1.5 * 6,
  arm: Math.floor(Math.random() * ARMS),
  x: aside(),
  y: aside(),
  z: aside(),
}))
const places = new THREE.BufferAttribute(new Float32Array(MANY * 3), 3)
const inks = new Float32Array(MANY * 3)
grains.forEach((grain, i) => {
  const ink = grain.out < 1 ? "#faf8ef" : ["#4af682", "#a4bfff", "#ff5d39", "#a4bfff"][grain.arm]
  new THREE.Color(ink).toArray(inks, i * 3)
})
const shape = new THREE.BufferGeometry()
shape.setAttribute("position", places)
shape.setAttribute("color", new THREE.BufferAttribute(inks, 3))
const galaxy = new THREE.Points(shape, new THREE.PointsMaterial({ size: 0.09, vertexColors: true }))
galaxy.frustumCulled = false
scene.add(galaxy)
let wound

function place() {
  grains.forEach(({ out, arm, x, y, z }, i) => {
    const angle = (arm / ARMS) * Math.PI * 2 + (out / 6) * neo.params.wind
    const loose = 0.12 + out * 0.13
    places.setXYZ(i, Math.cos(angle) * out + x * loose, y * loose * 0.6, Math.sin(angle) * out + z * loose)
  })
  places.needsUpdate = true
  wound = neo.params.wind
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
  if (wound !== neo.params.wind) place()
  galaxy.rotation.y = (time / -60_000) * neo.params.turn * Math.PI * 2
  renderer.render(scene, camera)
})
