// title: Orrery
// about: Groups within groups: planets, and their moons.
//
// An orrery. Each planet hangs on an arm, each arm turns about the sun at its
// own pace; a moon hangs on an arm of its planet. Groups within groups: turn
// the outer one and all within it comes along.
//
// Change: pace, tilt (from which height you look, in degrees).
import * as THREE from "three"

neo.param("pace", 1, { min: 0, max: 6, step: 0.1 })
neo.param("tilt", 32, { min: 1, max: 89, step: 1 })

const scene = new THREE.Scene()
scene.background = new THREE.Color("#191b47")
const camera = new THREE.PerspectiveCamera(40, 1, 0.1, 100)
scene.add(new THREE.AmbientLight("#ffffff", 0.8))
scene.add(new THREE.PointLight("#ffffff", 60))

const ball = new THREE.SphereGeometry(1, 20, 14)
function hang(on, size, out, color, days) {
  const arm = new THREE.Group()
  const planet = new THREE.Mesh(ball, new THREE.MeshLambertMaterial({ color }))
  planet.scale.setScalar(size)
  const holder = new THREE.Group()
  holder.position.x = out
  holder.add(planet)
  const points = Array.from({ length: 65 }, (_, i) => {
    const angle = (i / 32) * Math.PI
    return new THREE.Vector3(Math.cos(angle) * out, 0, Math.sin(angle) * out)
  })
  const path = new THREE.BufferGeometry().setFromPoints(points)
  on.add(arm, new THREE.Line(path, new THREE.LineBasicMaterial({ color: "#97c7b1" })))
  arm.add(holder)
  arm.rotation.y = Math.random() * Math.PI * 2
  arms.push({ arm, days, from: arm.rotation.y })
  return holder
}

const arms = []
scene.add(new THREE.Mesh(new THREE.IcosahedronGeometry(0.8, 1), new THREE.MeshBasicMaterial({ color: "#ff5d39" })))
hang(scene, 0.2, 1.6, "#a4bfff", 9)
const home = hang(scene, 0.36, 2.7, "#4af682", 20)
hang(home, 0.11, 0.65, "#faf8ef", 4)
const giant = hang(scene, 0.55, 4.3, "#213cd8", 47)
hang(giant, 0.12, 0.85, "#fb542e", 5)
hang(giant, 0.09, 1.15, "#faf8ef", 8)

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
  for (const { arm, days, from } of arms) arm.rotation.y = from + ((time / 1000) * neo.params.pace * Math.PI * 2) / days
  const height = (neo.params.tilt / 180) * Math.PI
  camera.position.set(0, Math.sin(height) * 14, Math.cos(height) * 14)
  camera.lookAt(0, 0, 0)
  renderer.render(scene, camera)
})
