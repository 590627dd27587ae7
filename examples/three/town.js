// title: Town at night
// about: Windows from a small canvas, glued to the houses.
//
// A town at night. Every house is a block of a height that the seed rolled;
// its windows are a picture, drawn on a small canvas and glued to its sides.
// The camera goes round; nobody is at home in every house.
//
// Change: tall (how high the town grows), round (seconds for one way round).
import * as THREE from "three"

neo.param("tall", 1, { min: 0.1, max: 3, step: 0.1 })
neo.param("round", 40, { min: 5, max: 120, step: 5 })
const ACROSS = 9

const scene = new THREE.Scene()
scene.background = new THREE.Color("#0d0f2a")
scene.fog = new THREE.Fog("#0d0f2a", 14, 26)
const camera = new THREE.PerspectiveCamera(40, 1, 0.1, 60)

function windows(ink) {
  const paper = Object.assign(document.createElement("canvas"), { width: 16, height: 32 })
  const pen = paper.getContext("2d")
  pen.fillStyle = ink
  pen.fillRect(0, 0, 16, 32)
  for (let y = 2; y < 30; y += 4) {
    for (let x = 2; x < 14; x += 4) {
      const light = ["#4af682", "#faf8ef", "#ff5d39"][Math.floor(Math.random() * 3)]
      pen.fillStyle = Math.random() < 0.45 ? light : "#090a22"
      pen.fillRect(x, y, 2, 2)
    }
  }
  const glued = new THREE.CanvasTexture(paper)
  glued.magFilter = THREE.NearestFilter
  glued.colorSpace = THREE.SRGBColorSpace
  return new THREE.MeshBasicMaterial({ map: glued })
}

const walls = ["#213cd8", "#191b47", "#492676", "#151525"].map(windows)
const roof = new THREE.MeshBasicMaterial({ color: "#3a4aa0" })
// Its foot stands on the ground, so that it grows upwards.
const block = new THREE.BoxGeometry(0.8, 1, 0.8).translate(0, 0.5, 0)
const houses = []
for (let i = 0; i < ACROSS * ACROSS; i++) {
  if (Math.random() < 0.12) continue
  const wall = walls[Math.floor(Math.random() * walls.length)]
  const house = new THREE.Mesh(block, [wall, wall, roof, roof, wall, wall])
  house.position.set((i % ACROSS) - (ACROSS - 1) / 2, 0, Math.floor(i / ACROSS) - (ACROSS - 1) / 2)
  houses.push({ house, tall: 0.5 + Math.random() ** 3 * 4 })
  scene.add(house)
}
scene.add(new THREE.GridHelper(40, 40, "#97c7b1", "#263070"))

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
  for (const { house, tall } of houses) house.scale.y = Math.max(0.1, tall * neo.params.tall)
  const angle = (time / 1000 / neo.params.round) * Math.PI * 2
  camera.position.set(Math.sin(angle) * 12, 7, Math.cos(angle) * 12)
  camera.lookAt(0, 1, 0)
  renderer.render(scene, camera)
})
