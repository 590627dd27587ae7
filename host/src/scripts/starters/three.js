// A cube that turns. Change a number and press Run.
import * as THREE from "three"

const renderer = new THREE.WebGLRenderer({ antialias: true })
document.body.append(renderer.domElement)
const scene = new THREE.Scene()
scene.background = new THREE.Color("#161427")
const camera = new THREE.PerspectiveCamera(50, 1, 0.1, 100)
camera.position.z = 4

const cube = new THREE.Mesh(new THREE.BoxGeometry(1.4, 1.4, 1.4), new THREE.MeshNormalMaterial())
scene.add(cube)

function fit() {
  camera.aspect = neo.width / neo.height
  camera.updateProjectionMatrix()
  renderer.setSize(neo.width, neo.height)
}
fit()
neo.on("resize", fit)

renderer.setAnimationLoop((time) => {
  const speed = neo.param("speed", 1, { min: 0, max: 5, step: 0.1 })
  cube.rotation.set(time * 0.0004 * speed, time * 0.0007 * speed, 0)
  renderer.render(scene, camera)
})
