//! Uploads, the library, and who may see what is in it.

use image::{DynamicImage, GenericImageView, ImageFormat};
use neospace_tests::{Person, Server, eventually, pictures};
use serde_json::Value;

/// What is served at an address, decoded.
#[track_caller]
fn seen(person: &Person, url: &str) -> DynamicImage {
    let file = person.get(url).expect(200);
    image::load_from_memory(&file.body).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn library(person: &Person) -> Value {
    let answer = person.request("GET", "/library").header("accept", "application/json");
    answer.send().expect(200).json()
}

#[test]
fn a_picture_is_kept_in_three_sizes_and_seen_by_its_owner_alone() {
    let server = Server::start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    let kept = ana.upload("cat.jpg", &pictures::jpeg(2_000, 1_000)).expect(201).json();
    assert_eq!((&kept["kind"], &kept["name"]), (&"image".into(), &"cat.jpg".into()));
    assert_eq!(
        (&kept["picture"]["width"], &kept["picture"]["height"]),
        (&2_000.into(), &1_000.into())
    );
    for (variant, width, height) in [("full", 2_000, 1_000), ("medium", 1_280, 640), ("small", 320, 160)] {
        let url = kept["picture"][variant].as_str().expect("an address");
        let file = ana.get(url).expect(200);
        assert_eq!(file.header("content-type"), "image/jpeg", "{url}");
        assert_eq!(file.header("x-content-type-options"), "nosniff");
        assert_eq!(file.header("content-security-policy"), "sandbox; default-src 'none'");
        assert_eq!(file.header("cache-control"), "private, max-age=31536000, immutable");
        let picture = seen(&ana, url);
        assert_eq!(picture.dimensions(), (width, height), "{url}");
        let corner = picture.get_pixel(4, 4).0;
        assert!(
            corner[0] > 220 && corner[2] < 90,
            "the bright corner is at the top left: {corner:?}"
        );
        bob.get(url).expect(404);
        server.guest().get(url).expect(404);
    }
    assert_eq!(library(&ana)["media"][0]["id"], kept["id"]);
    assert_eq!(library(&bob)["media"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_small_picture_is_one_file_at_all_three_addresses() {
    let server = Server::start();
    let ana = server.person("ana");
    let id = ana.uploaded("dot.png", &pictures::png(40, 30));
    for variant in ["full", "medium", "small"] {
        let url = format!("/media/{id}/{variant}");
        assert_eq!(ana.get(&url).expect(200).header("content-type"), "image/png");
        assert_eq!(
            seen(&ana, &url).into_rgba8(),
            pictures::cutout(40, 30),
            "pixel by pixel"
        );
    }
    let folder = std::fs::read_dir(server.data().join("media")).expect("a folder");
    assert_eq!(folder.count(), 1);
    ana.get(&format!("/media/{id}/large")).expect(404);
    ana.get("/media/nothing/full").expect(404);
}

#[test]
fn what_a_camera_wrote_stays_behind_and_the_picture_stands_upright() {
    let server = Server::start();
    let ana = server.person("ana");
    for orientation in 1..=8 {
        let file = pictures::telephone(900, 600, orientation);
        let kept = ana.upload("beach.jpg", &file).expect(201).json();
        let sideways = orientation >= 5;
        let (width, height) = if sideways { (600, 900) } else { (900, 600) };
        assert_eq!(kept["picture"]["width"], width, "orientation {orientation}");
        for variant in ["full", "medium", "small"] {
            let url = kept["picture"][variant].as_str().expect("an address");
            let bytes = ana.get(url).expect(200).body;
            for trace in [
                b"Exif".as_slice(),
                pictures::CAMERA.as_bytes(),
                pictures::PLACE[0],
                pictures::PLACE[1],
            ] {
                assert!(memchr::memmem::find(&bytes, trace).is_none(), "{url} has {trace:?}");
            }
            let picture = seen(&ana, url);
            assert_eq!(picture.width() > picture.height(), width > height);
            // Where the corner that was at the top left ends up.
            let (right, bottom) = (picture.width() - 5, picture.height() - 5);
            let (x, y) = match orientation {
                1 | 5 => (4, 4),
                2 | 6 => (right, 4),
                3 | 7 => (right, bottom),
                _ => (4, bottom),
            };
            let corner = picture.get_pixel(x, y).0;
            assert!(
                corner[0] > 220 && corner[2] < 90,
                "orientation {orientation} {variant}: {corner:?}"
            );
        }
    }
}

#[test]
fn what_moves_goes_on_moving_and_its_smaller_sizes_are_at_rest() {
    let server = Server::start();
    let ana = server.person("ana");
    let kept = ana.upload("bar.gif", &pictures::gif(400, 100, 12)).expect(201).json();
    assert_eq!(kept["picture"]["animated"], true);
    let full = ana
        .get(kept["picture"]["full"].as_str().expect("an address"))
        .expect(200);
    assert_eq!(full.header("content-type"), "image/gif");
    let frames = |bytes: &[u8]| {
        let mut decoder = gif::DecodeOptions::new().read_info(bytes).expect("a GIF");
        let mut frames = 0;
        while decoder.read_next_frame().expect("whole").is_some() {
            frames += 1;
        }
        assert_eq!(decoder.repeat(), gif::Repeat::Infinite);
        frames
    };
    assert_eq!(frames(&full.body), 12);
    for (variant, width) in [("medium", 400), ("small", 320)] {
        let url = kept["picture"][variant].as_str().expect("an address");
        let format = image::guess_format(&ana.get(url).expect(200).body).expect("a picture");
        assert!(
            matches!(format, ImageFormat::Png | ImageFormat::Jpeg),
            "{variant} is {format:?}"
        );
        assert_eq!(seen(&ana, url).width(), width);
    }
    let kept = ana
        .upload("wave.png", &pictures::moving_png(60, 60, 9))
        .expect(201)
        .json();
    assert_eq!(kept["picture"]["animated"], true);
    let full = ana
        .get(kept["picture"]["full"].as_str().expect("an address"))
        .expect(200);
    let reader = png::Decoder::new(std::io::Cursor::new(&full.body))
        .read_info()
        .expect("a PNG");
    assert_eq!(
        reader.info().animation_control().map(|control| control.num_frames),
        Some(9)
    );
}

#[test]
fn whoever_wants_room_deletes_and_the_bytes_are_gone() {
    let server = Server::builder().config("[limits]\nmedia_mib = 1\n").start();
    let (ana, bob) = (server.person("ana"), server.person("bob"));
    // Noise doesn't pack.
    let mut bytes = vec![0; 3 * 500 * 500];
    getrandom::fill(&mut bytes).expect("randomness");
    let noise = image::RgbImage::from_raw(500, 500, bytes).expect("pixels");
    let file = pictures::encoded(noise, ImageFormat::Png);
    let id = ana.uploaded("noise.png", &file);
    let refused = ana.upload("noise.png", &file).expect(403).json();
    assert_eq!(refused["code"], "quota");
    assert!(
        refused["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("of the 1 MiB")),
        "{refused}"
    );
    bob.post(&format!("/library/{id}/delete"), &[]).expect(404);
    assert_eq!(
        ana.post(&format!("/library/{id}/delete"), &[]).see_other(),
        "/library?done=deleted"
    );
    ana.get(&format!("/media/{id}/full")).expect(404);
    for folder in ["media", "uploads"] {
        eventually("the folder is empty", || {
            std::fs::read_dir(server.data().join(folder))
                .ok()?
                .next()
                .is_none()
                .then_some(())
        });
    }
    ana.uploaded("noise.png", &file);
}
