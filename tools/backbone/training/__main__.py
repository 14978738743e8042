"""`python3 -m training --teacher FILE --out FILE`: draws, asks the teacher, trains, exports, checks."""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import torch

from .check import check
from .graph import model_of, write
from .learn import learn
from .pictures import draw_all
from .student import Student, fed, student_from
from .teacher import Space, Teacher, compute_targets, principal_space, space_of_student

#: Pictures that the components are computed from; more tell nothing new.
SPACE_PICTURES = 2000
CHECKED = 8


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m training", description=__doc__)
    add = parser.add_argument
    add("--teacher", type=Path, required=True, help="features as .onnx, or torchvision's resnet18-….pth")
    add("--layers", default="layer2,layer3", help="outputs of a .onnx at strides 8 and 16 (default %(default)s)")
    add("--out", type=Path, required=True, help="the .onnx to write")
    add("--work", type=Path, default=Path("work"), help="folder of what is kept between runs (default %(default)s)")
    add("--pictures", type=int, default=18_000, help="how many are drawn (default %(default)s)")
    add("--steps", type=int, default=25_000, help="of 16 pictures each (default %(default)s)")
    add("--rate", type=float, default=3e-3, help="largest learning rate (default %(default)s)")
    add("--seed", type=int, default=1)
    add("--threads", type=int, default=1, help="of training; the same bytes come out for the same number (default 1)")
    add("--workers", type=int, default=1, help="processes that draw (default 1)")
    add("--start", type=Path, help="an exported .onnx whose weights to begin with")
    add("--full", action="store_true", help="keeps weights as float32, twice the size")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    if options.pictures < 64:
        raise SystemExit("at least 64 pictures are needed")
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(options.seed)
    options.work.mkdir(parents=True, exist_ok=True)

    pictures = draw_all(options.work, options.pictures, options.seed, options.workers)
    teacher = Teacher(options.teacher, options.layers.split(","))
    made_of = {
        "pictures": options.pictures,
        "seed": options.seed,
        "teacher": teacher.digest,
        "layers": options.layers,
        "start": hashlib.sha256(options.start.read_bytes()).hexdigest() if options.start else None,
    }
    student, scale = student_from(options.start) if options.start else (Student(), None)

    # named after what it was made of, so that another teacher or start does not meet it
    key = hashlib.sha256(repr(sorted(made_of.items(), key=str)).encode()).hexdigest()[:12]
    file = options.work / f"space-{key}.npz"
    if not file.exists():
        some = pictures[:SPACE_PICTURES]
        if scale is None:
            space = principal_space(teacher, some, options.seed)
        else:
            student.eval()
            with torch.no_grad():
                space = space_of_student(teacher, some, options.seed, lambda batch: student(fed(batch)), scale)
        space.save(file)
    space = Space.load(file)
    targets = compute_targets(options.work, teacher, space, pictures, made_of)

    student = learn(
        options.work,
        student,
        pictures,
        targets,
        steps=options.steps,
        rate=options.rate,
        seed=options.seed,
        made_of=made_of,
    )
    write(model_of(student, space.scale, halves=not options.full), options.out)
    worst = check(options.out, student, space.scale, np.array(pictures[:CHECKED]))
    size = options.out.stat().st_size
    digest = hashlib.sha256(options.out.read_bytes()).hexdigest()
    print(f"{options.out}: {size / 1e6:.2f} MB, within {worst:.2%} of the student, sha256:{digest}")


if __name__ == "__main__":
    main()
