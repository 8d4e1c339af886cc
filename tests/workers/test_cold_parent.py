import subprocess
import sys

NATIVE = ("torch", "openvino", "onnxruntime", "cv2", "pymupdf", "shapely", "pyclipper")


def modules_after(code: str) -> set[str]:
    program = f"{code}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return set(run.stdout.decode().split())


def test_the_process_that_forks_the_workers_imports_no_engine() -> None:
    # What Celery's parent does before it forks: it imports the application and its tasks.
    loaded = modules_after("from workers.app import app\napp.loader.import_default_modules()")
    assert "workers.tasks" in loaded
    assert loaded.isdisjoint(NATIVE)


def test_the_supervisor_imports_no_engine_either() -> None:
    assert modules_after("import workers.supervisor").isdisjoint(NATIVE)
