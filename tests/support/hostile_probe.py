"""A probe worker whose decoder misbehaves on videos named for it: `python -m hostile_probe`."""

from hostile import misbehaving

from i3d.decoding import probe, video_file

if __name__ == "__main__":
    video_file.Video.decode = misbehaving(video_file.Video.decode, "pyav", lambda video: video.file.path)
    probe.main()
