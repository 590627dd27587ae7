// title: Raster
// about: A shader prints dots in three inks at three angles.
//
// A raster, by the graphics chip. A fragment shader is a small program that
// runs once for each pixel, all at the same time: it is told where it is and
// answers with an ink. This one prints dots whose size follows three waves.
//
// Change: dots (in a row), speed.
import * as THREE from "three"

neo.param("dots", 34, { min: 8, max: 80, step: 1 })
neo.param("speed", 1, { min: 0, max: 4, step: 0.1 })

const scene = new THREE.Scene()
const camera = new THREE.OrthographicCamera(-1, 1, 1, -1, 0, 1)
const told = { time: { value: 0 }, dots: { value: neo.params.dots }, shape: { value: 1 } }
const material = new THREE.ShaderMaterial({
  uniforms: told,
  vertexShader: `
    varying vec2 place;
    void main() {
      place = uv;
      gl_Position = vec4(position, 1.0);
    }`,
  fragmentShader: `
    uniform float time, dots, shape;
    varying vec2 place;

    float wave(vec2 at) {
      float sum = sin(at.x * 7.0 + time) + sin(at.y * 9.0 - time * 0.8);
      return (sum + sin(length(at - 0.5) * 16.0 - time * 1.7)) / 6.0 + 0.5;
    }

    // How much of a dot of this ink covers the pixel; each ink has a raster
    // at an angle of its own, as in print.
    float dot_of(float angle, float shift) {
      vec2 at = place * vec2(shape, 1.0) * dots;
      at = mat2(cos(angle), -sin(angle), sin(angle), cos(angle)) * at;
      float size = wave(place + shift) * 0.62;
      return step(length(fract(at) - 0.5), size);
    }

    void main() {
      vec3 ink = vec3(0.98, 0.973, 0.937);
      ink = mix(ink, ink * vec3(0.318, 0.933, 0.549), dot_of(0.26, 0.0));
      ink = mix(ink, ink * vec3(0.984, 0.329, 0.18), dot_of(1.31, 0.31));
      ink = mix(ink, ink * vec3(0.129, 0.235, 0.847), dot_of(0.79, 0.62) * 0.9);
      gl_FragColor = vec4(ink, 1.0);
    }`,
})
scene.add(new THREE.Mesh(new THREE.PlaneGeometry(2, 2), material))

const renderer = new THREE.WebGLRenderer()
document.body.append(renderer.domElement)
function fit() {
  told.shape.value = neo.width / neo.height
  renderer.setSize(neo.width, neo.height)
}
neo.on("resize", fit)
fit()

renderer.setAnimationLoop((time) => {
  told.time.value = (time / 1000) * neo.params.speed
  told.dots.value = neo.params.dots
  renderer.render(scene, camera)
})
