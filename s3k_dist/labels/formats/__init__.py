"""Clicks as other tools keep them: COCO keypoints, DeepLabCut, lightning-pose. Images go along, calibrations do not."""
