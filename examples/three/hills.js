// title: Hills without end
// about: One sheet of triangles is enough for a whole journey.
//
// Hills that never end. One sheet of triangles; its corners are lifted by a
// height that depends on where the land is, and the land moves on beneath
// them: so one sheet is enough for a whole journey.
//
// Change: speed, tall.
import * as THREE from "three"

neo.param("speed", 3, { min: 0, max: 12, step: 0.5 })
neo.param("tall", 1.6, { min: 0, max: 4, step: 0.1 })
const ACROSS = 28
const FAR = 34

const scene = new THREE.Scene()
scene.background = new THREE.Color("#faf8ef")
scene.fog = new THREE.Fog("#faf8ef", 12, 30)
const camera = new THREE.PerspectiveCamera(55, 1, 0.1, 100)
camera.position.set(0, 3.4, 6)
camera.lookAt(0, 0.6, -8)

const sheet = new THREE.PlaneGeometry(34, 40, ACROSS, FAR).rotateX(-Math.PI / 2).translate(0, 0, -14)
const corners = sheet.attributes.position
const back = { polygonOffset: true, polygonOffsetFactor: 1 }
const land = new THREE.Mesh(sheet, new THREE.MeshBasicMaterial({ color: "#51ee8c", ...back }))
const lines = new THREE.Mesh(sheet, new THREE.MeshBasicMaterial({ color: "#151525", wireframe: true }))
scene.add(land, lines)
const sun = new THREE.Mesh(new THREE.CircleGeometry(4, 40), new THREE.MeshBasicMaterial({ color: "#fb542e", fog: false }))
sun.position.set(3, 5, -33)
scene.add(sun)

// Waves of different lengths, started by the seed, so that everybody with
// this seed has the same land.
const start = Array.from({ length: 3 }, () => Math.random() * 100)
function height(x, z) {
  const hills = Math.sin(x / 2.1 + start[0]) * Math.sin(z / 2.7 + start[1])
  return hills + 0.4 * Math.sin(x * 1.3 + z + start[2])
}

function lift(way) {
  // The sheet moves by whole squares, and the rest by its position: so its
  // lines don't shimmer.
  const square = 40 / FAR
  const rest = way % square
  land.position.z = lines.position.z = rest
  for (let i = 0; i < corners.count; i++) {
    const x = corners.getX(i)
    // A valley in the middle to fly through.
    const valley = Math.min(1, 0.15 + Math.abs(x) / 6)
    corners.setY(i, height(x, corners.getZ(i) - (way - rest)) * neo.params.tall * valley)
  }
  corners.needsUpdate = true
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
  lift((time / 1000) * neo.params.speed)
  renderer.render(scene, camera)
})
